// Bytes that a step adds to the process: the peak during three steps, less the resident memory before the first. One
// process per setting.
// Usage: node bench/step-memory.mjs
// '{"teacher":"resnet56","student":"resnet20","batch":128,"size":32,"classes":100,"threads":2,"precision":"float32"}'
import { readFileSync, writeFileSync } from "node:fs";
import { prepareOurs } from "./support/ours.mjs";

const field = (name) =>
  Number(
    /(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8").split("\n").find((line) => line.startsWith(name)))[1],
  ) * 1024;

const ours = await prepareOurs(JSON.parse(process.argv[2]));
const before = field("VmRSS:");
writeFileSync("/proc/self/clear_refs", "5"); // resets the peak
for (let i = 0; i < 3; ++i) await ours.step();
const peakBytes = field("VmHWM:");
console.log(JSON.stringify({ stepBytes: peakBytes - before, peakBytes }));
ours.dispose();
