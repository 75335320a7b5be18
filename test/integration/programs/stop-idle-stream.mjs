// Stops a pass whose producer waits for room, when nothing else keeps the process alive.
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
for await (const { labels } of data.train.batches({ batchSize: 4 })) {
  console.log(labels.shape[0]);
  await setImmediate(); // the native callback is over by then
  break;
}
console.log("stopped");
