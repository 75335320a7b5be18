// Exits with the given code while worker threads run epochs.
import { once } from "node:events";
import process from "node:process";
import { Worker } from "node:worker_threads";

const program = new URL("./train-in-worker.mjs", import.meta.url);
const workers = [new Worker(program, { workerData: "epoch" }), new Worker(program, { workerData: "epoch" })];
await Promise.all(workers.map((worker) => once(worker, "message")));
console.log("training");
process.exit(Number(process.argv[2]));
