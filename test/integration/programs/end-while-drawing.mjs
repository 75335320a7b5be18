// Ends while images are drawn, which takes much longer, in this thread or in a worker thread. argv: exit code, and
// "worker" for the latter.
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { endProcess, loadDataset } from "../../../dist/index.js";

const [, , exitCode, where] = process.argv;

function draw() {
  loadDataset({ kind: "synthetic", trainSamples: 400_000 }).then(() => console.log("drawn"), () => undefined);
}

if (!isMainThread) {
  draw();
  parentPort.postMessage("drawing");
} else {
  if (where === "worker") await once(new Worker(new URL(import.meta.url)), "message");
  else draw();
  await delay(500);
  process.on("exit", (code) => console.log(`exit ${code}`));
  endProcess(Number(exitCode));
}
