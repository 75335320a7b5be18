// Exits with the given code while an epoch waits for images that never come.
import process from "node:process";
import { loadDataset } from "reviewkd";
import { smallSession } from "./small-session.mjs";

const image = { image: new Uint8Array(3 * 8 * 8), label: 0 };
const session = await smallSession();
const data = await loadDataset({
  kind: "stream",
  numClasses: 4,
  height: 8,
  width: 8,
  train: {
    samples: 12,
    async *items() {
      for (let i = 0; i < 4; ++i) yield image;
      console.log("stuck");
      setTimeout(() => process.exit(Number(process.argv[2])), 20);
      await new Promise(() => undefined);
    },
  },
  test: { samples: 1, items: [image] },
});
session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 2 });
session.evaluate(data.train);
