// Trains in a worker with a run directory, and prints the worker's process as soon as a checkpoint is written. Its
// caller ends this process then.  Arguments: the kind of worker, the run directory.
"use strict";
const { startWorker } = require("reviewkd/worker");

async function main() {
  const [via, runDirectory] = process.argv.slice(-2);
  const rk = await startWorker({ via });
  const model = await rk.createModel("resnet8", { numClasses: 4 });
  const data = await rk.loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 64, testSamples: 16 });
  for await (const { type } of rk.fit({ model, data, epochs: 100_000, batchSize: 16, threads: 1, runDirectory }))
    if (type === "checkpoint") process.stdout.write(`\nworker ${rk.pid}\n`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
