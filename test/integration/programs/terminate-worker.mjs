// Terminates worker threads during their epochs, continues training in this thread, and ends by itself.
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { smallBatch, smallSession } from "./small-session.mjs";

const program = new URL("./train-in-worker.mjs", import.meta.url);
const session = await smallSession();
for (let round = 0; round < 2; ++round) {
  const workers = [new Worker(program, { workerData: "epoch" }), new Worker(program, { workerData: "epoch" })];
  await Promise.all(workers.map((worker) => once(worker, "message")));
  const codes = await Promise.all(workers.map((worker) => worker.terminate()));
  console.log("terminated", ...codes);
}
const { step } = await session.step(smallBatch());
console.log("stepped", step);
