// Reading COCO's annotations: seconds, peak memory and the longest pause of the event loop, for a generated file with
// the size and the proportions of instances_train2017.json; with --peers also for other parsers and a tenth of it.
// Each run has a process of its own.
// Usage: npm run bench:coco-annotations -- [--file instances.json] [--share 1] [--peers] [--json]
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readCocoAnnotations } from "../dist/index.js";
import { TRAIN2017, writeCocoFile } from "./support/coco-file.mjs";
import { PARSERS } from "./support/json-parsers.mjs";
import { describeMachine } from "./support/machine.mjs";
import { median } from "./support/statistics.mjs";

const { values: flags } = parseArgs({
  options: {
    file: { type: "string" },
    share: { type: "string", default: "1" },
    peers: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    /** Internal: what a child process does, since memory is measured for each on its own. */
    task: { type: "string" },
  },
});

const PEER_SHARE = 0.1;
const RUNS = 3;
const MEGABYTE = 1e6;

/** Peak memory of this process in MB. */
const peak = () => (1024 * process.resourceUsage().maxRSS) / MEGABYTE;

async function read(path) {
  const baseline = peak();
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  const started = performance.now();
  const annotations = await readCocoAnnotations(path);
  const seconds = (performance.now() - started) / 1000;
  delays.disable();
  return { seconds, peak: peak(), baseline, longestPauseMs: delays.max / 1e6, images: annotations.imageCount,
    annotations: annotations.count };
}

async function readWith(parser, path) {
  const baseline = peak();
  let count = 0;
  const started = performance.now();
  await PARSERS[parser](path, () => {
    count += 1;
  });
  return { seconds: (performance.now() - started) / 1000, peak: peak(), baseline, values: count };
}

/** The result of a task in a process of its own. */
function inChild(task, path) {
  const args = [fileURLToPath(import.meta.url), "--task", task, "--file", path, "--share", flags.share];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }));
}

const write = (path, share) =>
  writeCocoFile(path, { ...TRAIN2017, images: Math.round(share * TRAIN2017.images),
    annotations: Math.round(share * TRAIN2017.annotations) });

async function measure(directory) {
  const path = flags.file ?? join(directory, "full.json");
  if (flags.file === undefined) inChild("write", path);
  const megabytes = (await stat(path)).size / MEGABYTE;
  const runs = Array.from({ length: RUNS }, () => inChild("read", path));
  const result = { megabytes, runs, peers: {}, machine: await describeMachine() };
  if (!flags.peers) return result;
  const small = join(directory, "small.json");
  result.peerMegabytes = (await write(small, PEER_SHARE)) / MEGABYTE;
  const tasks = { "this package": "read",
    ...Object.fromEntries(Object.keys(PARSERS).map((name) => [name, `peer:${name}`])) };
  // In turns, so that other load on the machine meets all of them.
  for (let run = 0; run < RUNS; ++run)
    for (const [name, task] of Object.entries(tasks)) (result.peers[name] ??= []).push(inChild(task, small));
  return result;
}

function print({ megabytes, runs, peers, peerMegabytes, machine }) {
  console.log(`${megabytes.toFixed(0)} MB, ${runs[0].images} images, ${runs[0].annotations} annotations`);
  for (const { seconds, peak: most, baseline, longestPauseMs } of runs) {
    console.log(
      `  ${seconds.toFixed(2)} s, ${(megabytes / seconds).toFixed(0)} MB/s, peak ${most.toFixed(0)} MB of which `
        + `${baseline.toFixed(0)} before, longest pause ${longestPauseMs.toFixed(0)} ms`,
    );
  }
  for (const [name, results] of Object.entries(peers)) {
    const seconds = median(results.map((result) => result.seconds));
    console.log(
      `  ${peerMegabytes.toFixed(0)} MB by ${name}: ${seconds.toFixed(2)} s, ${(peerMegabytes / seconds).toFixed(0)} MB/s, peak ${median(results.map(({ peak: most }) => most)).toFixed(0)} MB`,
    );
  }
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.date}`);
}

if (flags.task !== undefined) {
  const [task, parser] = flags.task.split(":");
  const tasks = { write: () => write(flags.file, Number(flags.share)), read: () => read(flags.file), peer: () =>
    readWith(parser, flags.file) };
  console.log(JSON.stringify(await tasks[task]()));
} else {
  const directory = await mkdtemp(join(tmpdir(), "reviewkd-coco-"));
  try {
    const result = await measure(directory);
    if (flags.json) console.log(JSON.stringify(result));
    else print(result);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
