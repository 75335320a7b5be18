// COCO's evaluation of drawn detections compared with pycocotools, in turns, on one thread: 36,000 detections of 36,000
// truths in 5,000 images with 80 categories, boxes and masks. pycocotools' time is that of its three steps without
// loading; ours is all of evaluateDetections, from the same objects in memory.
// Prints medians and the ratio of neighbouring runs; exits 1 if the numbers differ or boxes are not 10 times as fast.
// Usage: npm run bench:coco-evaluation -- [--rounds 7] [--json]; REVIEWKD_BENCH_PYTHON has numpy and pycocotools
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

// libtorch reads it when it is loaded, at the first use of the package.
process.env.OMP_NUM_THREADS = "1";
const { evaluateDetections, masks, systemInfo } = await import("../dist/index.js");
const { Baseline } = await import("./support/baseline.mjs");
const { describeMachine } = await import("./support/machine.mjs");
const { median, quantile } = await import("./support/statistics.mjs");

const IMAGES = 5000;
const CATEGORIES = 80;
const INSTANCES = 36_000;
const [HEIGHT, WIDTH] = [480, 640];
const LEAST_RATIO = 10;
/** Sums in another order. */
const TOLERANCE = 1e-12;
const TIMER_MS = 2;
const SCRIPT = fileURLToPath(new URL("coco_evaluation.py", import.meta.url));

const { values: flags } = parseArgs({
  options: { rounds: { type: "string", default: "7" }, json: { type: "boolean", default: false } },
});

/** Uniform numbers in [0, 1) from a linear congruential generator: the same data in each run. */
function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** An octagon in a box. */
function octagon([x, y, width, height]) {
  const [left, right, top, bottom] = [x + width / 4, x + (3 * width) / 4, y + height / 4, y + (3 * height) / 4];
  return [left, y, right, y, x + width, top, x + width, bottom, right, y + height, left, y + height, x, bottom, x, top];
}

async function drawData(kind) {
  const random = uniform(2021);
  const round = (value) => Math.round(100 * value) / 100;
  const images = Array.from({ length: IMAGES }, (_, index) => ({ id: index + 1, height: HEIGHT, width: WIDTH }));
  const categories = Array.from({ length: CATEGORIES }, (_, index) => ({ id: index + 1, name: `c${index}` }));
  const annotations = [];
  const detections = [];
  for (let id = 1; id <= INSTANCES; ++id) {
    const [width, height] = [8 + 200 * random() ** 3, 8 + 200 * random() ** 3];
    const bbox = [random() * (WIDTH - width), random() * (HEIGHT - height), width, height].map(round);
    const shared = { image_id: 1 + Math.floor(random() * IMAGES), category_id: 1 + Math.floor(random() * CATEGORIES) };
    annotations.push({ id, ...shared, bbox, area: round(bbox[2] * bbox[3]), iscrowd: 0,
      ...(kind === "segm" && { segmentation: [octagon(bbox)] }) });
    const found = bbox.map((value, index) => round(value + (random() - 0.5) * 0.3 * bbox[2 + (index % 2)] / 2));
    const detection = { ...shared, score: round(random()) };
    detections.push(kind === "bbox" ? { ...detection, bbox: found }
      : { ...detection, segmentation: await masks.fromPolygons([octagon(found)], HEIGHT, WIDTH) });
  }
  return { groundTruth: { images, categories, annotations }, detections, kind };
}

/** Seconds of one evaluation, and the lateness of a timer meanwhile in milliseconds. */
async function ours(data) {
  const lateness = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    lateness.push(Math.max(0, now - last - TIMER_MS));
    last = now;
  }, TIMER_MS);
  const began = performance.now();
  const { stats } = await evaluateDetections(data);
  const seconds = (performance.now() - began) / 1000;
  clearInterval(timer);
  return { seconds, lateness, stats: Object.values(stats) };
}

async function compare(kind, baseline, folder) {
  const data = await drawData(kind);
  const [groundTruth, detections] = ["truths", "detections"].map((name) => join(folder, `${kind}-${name}.json`));
  writeFileSync(groundTruth, JSON.stringify(data.groundTruth));
  writeFileSync(detections, JSON.stringify(data.detections));
  const versions = await baseline.ask("load", { groundTruth, detections });
  await ours(data); // loads libtorch
  const rows = [];
  for (let round = 0; round < Number(flags.rounds); ++round)
    rows.push({ ours: await ours(data), reference: await baseline.ask("evaluate", { kind }) });
  const deviation = Math.max(
    ...rows.flatMap((row) => row.ours.stats.map((value, index) => Math.abs(value - row.reference.stats[index]))),
  );
  const files = await ours({ groundTruth, detections, kind });
  const ratios = rows.map((row) => row.reference.seconds / row.ours.seconds);
  return { kind, versions, deviation, ap: rows[0].ours.stats[0], ratio: median(ratios), ratios,
    ours: rows.map((row) => row.ours.seconds), reference: rows.map((row) => row.reference.seconds),
    fromFiles: files.seconds, lateness: rows.flatMap((row) => row.ours.lateness) };
}

const milliseconds = (seconds) => (1000 * seconds).toFixed(0);

function report({ kind, deviation, ap, ratio, ratios, ours: own, reference, fromFiles, lateness }) {
  return `${kind}: ${milliseconds(median(own))} ms, pycocotools ${milliseconds(median(reference))} ms, ratio ${ratio.toFixed(1)} `
    + `over ${own.length} rounds (${ratios.map((value) => value.toFixed(1)).join(" ")}); from files ${milliseconds(fromFiles)} ms; `
    + `AP ${ap.toFixed(4)}, largest deviation ${deviation.toExponential(1)}; `
    + `a ${TIMER_MS} ms timer late by ${quantile(lateness, 0.99).toFixed(1)} ms (99th percentile), ${Math.max(...lateness).toFixed(1)} ms at most`;
}

const folder = mkdtempSync(join(tmpdir(), "reviewkd-bench-"));
const baseline = new Baseline(undefined, SCRIPT, "numpy and pycocotools");
try {
  const results = [];
  for (const kind of ["bbox", "segm"]) results.push(await compare(kind, baseline, folder));
  const { threads } = await systemInfo();
  const machine = await describeMachine();
  console.log(flags.json ? JSON.stringify({ machine, threads, results })
    : [...results.map(report),
      `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, libtorch ${machine.libtorch}, threads ${JSON.stringify(threads)}, ${JSON.stringify(results[0].versions)}, ${machine.date}`].join("\n"));
  if (results.some(({ deviation }) => !(deviation <= TOLERANCE)) || results[0].ratio < LEAST_RATIO)
    process.exitCode = 1;
} finally {
  baseline.close();
  rmSync(folder, { recursive: true, force: true });
}
