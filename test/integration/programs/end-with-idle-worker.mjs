// Ends by itself with a host that nobody closed and of which nothing is awaited.
import { startWorker } from "reviewkd/worker";

const rk = await startWorker();
const data = await rk.loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 32, testSamples: 8 });
console.log(rk.pid, data.train.size);
