// Ends by itself although the producer of a started pass waits for room that never comes.
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
const { value } = await data.train.batches({ batchSize: 4 }).next();
console.log(value.labels.shape[0]);
