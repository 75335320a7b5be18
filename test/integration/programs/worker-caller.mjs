// Trains in a worker until it is killed; prints the worker's process id and the type of each event.
import process from "node:process";
import { startWorker } from "reviewkd/worker";

const [runDirectory] = process.argv.slice(2);
const rk = await startWorker();
console.log(`worker ${rk.pid}`);
const model = await rk.createModel("resnet8", { numClasses: 4 });
const data = await rk.loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 640, testSamples: 32 });
for await (const event of rk.fit({ model, data, epochs: 1000, batchSize: 16, threads: 1, runDirectory }))
  console.log(event.type);
