// Ends by itself although the producer of a started pass waits for room that never comes; with `stop` it stops the
// pass before, when nothing else keeps the process alive.
import { argv } from "node:process";
import { setImmediate } from "node:timers/promises";
import { loadDataset } from "reviewkd";

const data = await loadDataset({
  kind: "stream",
  numClasses: 4,
  height: 8,
  width: 8,
  train: { samples: 100,
    items: () => Array.from({ length: 100 }, () => ({ image: new Uint8Array(3 * 8 * 8), label: 0 })) },
  test: { samples: 1, items: [] },
});
const pass = data.train.batches({ batchSize: 4 });
const { value } = await pass.next();
console.log(value.labels.shape[0]);
if (argv[2] === "stop") {
  await setImmediate(); // the native callback is over by then
  await pass.return();
  console.log("stopped");
}
