// The parts of batches that processes read in loops of their own: each image once, and as many batches for all.
import { expect } from "chai";
import { loadDataset, type Batch, type Dataset } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { arrays, stream, TRAIN } from "./streams.js";

describe("batches for one of several processes", () => {
  const sources: readonly (readonly [name: string, load: () => Promise<Dataset<Batch>>])[] = [
    ["arrays", arrays],
    ["a stream", () => stream()],
    ["drawn images", () => loadDataset({ kind: "synthetic", numClasses: 5, trainSamples: TRAIN, testSamples: 10 })],
  ];
  const options = { batchSize: 8, seed: 4, epoch: 1, augment: false } as const;

  /** The images of each batch, as texts. */
  async function batchesOf(data: Dataset<Batch>,
    more: { dropLast?: boolean; firstBatch?: number; batchSize?: number;
      share?: { rank: number; size: number } }): Promise<string[][]> {
    const batches: string[][] = [];
    for await (const { images, labels } of data.train.batches({ ...options, ...more })) {
      const values = images.toTypedArray() as Float32Array;
      const length = values.length / labels.shape[0]!;
      batches.push(
        Array.from(labels.toTypedArray() as BigInt64Array, (label, index) =>
          `${label} ${values.slice(index * length, index * length + 5).join()}`),
      );
    }
    return batches;
  }

  for (const [name, load] of sources) {
    it(`join to those of one process: ${name}`, async () => {
      using data = await load();
      for (const size of [1, 2, 3, 5]) {
        for (const more of [{}, { dropLast: true }, { firstBatch: 1 }]) {
          const whole = await batchesOf(data, more);
          const parts = await Promise.all(
            Array.from({ length: size }, (_, rank) => batchesOf(data, { ...more, share: { rank, size } })),
          );
          const joined = whole.map((_, batch) => parts.flatMap((part) => part[batch] ?? []));
          expect(joined, `${size} processes, ${JSON.stringify(more)}`).to.deep.equal(whole);
          for (const part of parts) expect(part).to.have.length(whole.length);
        }
      }
    });

    it(`leave out a last one with fewer images than processes: ${name}`, async () => {
      using data = await load();
      // 30 images: 28, and 2 for 3 processes.
      for (const rank of [0, 1, 2]) {
        const batches = await batchesOf(data, { batchSize: 28, share: { rank, size: 3 } });
        expect(batches.map(({ length }) => length)).to.deep.equal([rank === 0 ? 9 : rank === 1 ? 9 : 10]);
      }
      expect(await batchesOf(data, { batchSize: 28, share: { rank: 1, size: 2 } })).to.have.length(2);
    });

    it(`have an image for each process: ${name}`, async () => {
      using data = await load();
      for (const rank of [0, 3]) {
        const error = await failureOf("INVALID_ARGUMENT", () =>
          batchesOf(data, { batchSize: 3, share: { rank, size: 4 } }));
        expect(error.message).to.include("expected 4 or more").and.include("received 3");
      }
    });
  }
});
