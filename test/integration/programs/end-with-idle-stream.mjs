// Ends by itself although a pass over a stream was begun, whose producer waits for room that nobody makes.
import { loadDataset } from "reviewkd";

const data = await loadDataset({
  kind: "stream",
  numClasses: 4,
  height: 8,
  width: 8,
  train: { samples: 100, items: () => Array.from({ length: 100 }, () => ({ image: new Uint8Array(3 * 8 * 8), label: 0 })) },
  test: { samples: 1, items: [] },
});
const { value } = await data.train.batches({ batchSize: 4 }).next();
console.log(value.labels.shape[0]);
