// Bytes that training steps or detections of a detector add to the process: the peak during three of them, less the
// resident memory before the first. One process per setting; see detection.mjs, which starts it.
import { readFileSync, writeFileSync } from "node:fs";
import { prepareOurs } from "./support/our-detector.mjs";

const bytesOf = (field) =>
  Number(
    /(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8").split("\n").find((line) => line.startsWith(field)))[1],
  ) * 1024;

const setting = JSON.parse(readFileSync(process.argv[2], "utf8"));
const ours = await prepareOurs(setting);
const before = bytesOf("VmRSS:");
writeFileSync("/proc/self/clear_refs", "5"); // resets the peak
for (let i = 0; i < 3; ++i) await ours[setting.call]();
console.log(JSON.stringify({ bytes: bytesOf("VmHWM:") - before }));
ours.dispose();
