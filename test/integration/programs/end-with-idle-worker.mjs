// Exits by itself with a worker that was not closed and whose calls are all answered.
import { startWorker } from "reviewkd/worker";

const rk = await startWorker();
const data = await rk.loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 32, testSamples: 8 });
console.log(rk.pid, data.train.size);
