// Ends by itself with a host that nobody closed and of which nothing is awaited.
import { startHost } from "reviewkd/host";

const rk = await startHost();
const data = await rk.loadDataset({ kind: "synthetic", numClasses: 4, trainSamples: 32, testSamples: 8 });
console.log(rk.pid, data.train.size);
