// How late a 5 ms timer is while its process works: an epoch of resnet20 distilled from resnet56, synthetic data; then
// what detectors do: drawing scenes, training (session.trainEpoch and fit), finding objects in a folder, evaluating a
// million detections, reading a COCO file of the size of train2017 as annotations, as a data set and as the truth of an
// evaluation, and loading detectron2's weights of a ResNet50.
// Prints median, p90, p99 and maximum of the lateness in milliseconds; exits 1 if a p99 exceeds 20 ms.
// Usage: npm run bench:event-loop -- [--json] [--share 1: of the COCO file and the detections] [--only NAME]
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createDistiller, createModel, createSession, loadDataset, systemInfo } from "../dist/index.js";
import { DETECTION_CASES } from "./support/event-loop-cases.mjs";
import { INTERVAL_MS, measured } from "./support/lateness.mjs";

const LIMIT_MS = 20;

const { values: flags } = parseArgs({
  options: { json: { type: "boolean", default: false }, share: { type: "string", default: "1" },
    only: { type: "string" } },
});

async function distillation() {
  const data = await loadDataset({ kind: "synthetic", numClasses: 20, trainSamples: 3200, testSamples: 200 });
  const teacher = await createModel("resnet56", { numClasses: data.numClasses, seed: 1 });
  const student = await createModel("resnet20", { numClasses: data.numClasses, seed: 2 });
  const distiller = await createDistiller({ teacher, student,
    method: { kind: "review", weight: 0.6, warmupEpochs: 0 } });
  const session = await createSession({ distiller });
  let progressEvents = 0;
  return measured(async () => {
    const { images } = await session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 64, seed: 0, onProgress: () => {
      progressEvents += 1;
    } });
    return { images, progressEvents };
  }, session, distiller, student, teacher, data);
}

const CASES = { "resnet20 learns from resnet56": distillation, ...DETECTION_CASES };

// Loads libtorch, which happens once and is no part of a case.
const system = await systemInfo();
const results = {};
for (const [name, run] of Object.entries(CASES)) {
  if (flags.only !== undefined && !name.includes(flags.only)) continue;
  const folder = await mkdtemp(join(tmpdir(), "reviewkd-event-loop-"));
  try {
    results[name] = await run(folder, Number(flags.share));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
const about = { intervalMs: INTERVAL_MS, limitMs: LIMIT_MS, cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length,
  node: process.version, libtorch: system.libtorch.version };
const passed = Object.values(results).every(({ p99Ms }) => p99Ms <= LIMIT_MS);

if (flags.json) {
  console.log(JSON.stringify({ results, ...about, passed }));
} else {
  const ms = (value) => `${value.toFixed(2)} ms`;
  console.log(`lateness of a ${INTERVAL_MS} ms timer while`);
  for (const [name, { ticks, medianMs, p90Ms, p99Ms, maxMs, seconds, ...rest }] of Object.entries(results)) {
    console.log(`  ${name} (${seconds.toFixed(1)} s, ${ticks} ticks): median ${ms(medianMs)}   p90 ${ms(p90Ms)}   `
      + `p99 ${ms(p99Ms)}   max ${ms(maxMs)}   ${JSON.stringify(rest)}`);
  }
  console.log(`  ${about.cpu}, ${about.cores} cores; Node ${about.node}; libtorch ${about.libtorch}`);
  console.log(passed ? `each p99 is within ${LIMIT_MS} ms` : `a p99 is above ${LIMIT_MS} ms`);
}
if (!passed) process.exitCode = 1;
