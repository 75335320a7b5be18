import { expect } from "chai";
import { type Batch, type Dataset, type DatasetSplit } from "../../../lib/index.js";
import type { BatchOptionsInput } from "../../../lib/config/schemas/data.js";
import { failureOf } from "../../support/errors.js";
import { smallData } from "../training/small-training.js";

const COUNT = 50;

/** Labels batch by batch; each image is a class of its own, so labels are its indices. */
async function labelsOf(split: DatasetSplit<Batch>, options: BatchOptionsInput): Promise<number[][]> {
  const batches: number[][] = [];
  for await (const { images, labels } of split.batches(options)) {
    expect([images.dtype, labels.dtype]).to.deep.equal(["float32", "int64"]);
    expect(images.shape).to.deep.equal([labels.shape[0], ...split.imageShape]);
    batches.push(Array.from(labels.toTypedArray(), Number));
  }
  return batches;
}

describe("batches", () => {
  let data: Dataset<Batch>;
  const ascending = Array.from({ length: COUNT }, (_, index) => index);

  before(async () => {
    data = await smallData({ train: COUNT, test: COUNT, classes: COUNT });
  });
  after(() => {
    data.dispose();
  });

  const orderOf = async (options: BatchOptionsInput): Promise<number[]> =>
    (await labelsOf(data.train, { batchSize: 16, ...options })).flat();

  it("show every training image once, in an order that differs by epoch and by seed", async () => {
    const orders = [await orderOf({}), await orderOf({ epoch: 1 }), await orderOf({ seed: 1 }),
      await orderOf({ seed: 1, epoch: 1 })];
    for (const order of orders) {
      expect([...order].sort((a, b) => a - b)).to.deep.equal(ascending);
      expect(order).to.not.deep.equal(ascending);
    }
    expect(new Set(orders.map((order) => order.join())).size).to.equal(orders.length);
  });

  it("come in the same order for the same seed and epoch, whatever the batch size", async () => {
    const expected = await orderOf({ seed: 7, epoch: 3 });
    expect(await orderOf({ seed: 7, epoch: 3 })).to.deep.equal(expected);
    expect(await orderOf({ seed: 7, epoch: 3, batchSize: 3, augment: false })).to.deep.equal(expected);
  });

  it("put every image first occasionally", async () => {
    const first = new Set<number>();
    for (let epoch = 0; epoch < 200; ++epoch) {
      for await (const { labels } of data.train.batches({ batchSize: 5, epoch, augment: false })) {
        first.add(Number(labels.toTypedArray()[0]));
        break;
      }
    }
    // With 200 draws each of 50 images is missed with a probability of 1.8 %: about one of them.
    expect(first.size).to.be.at.least(42);
  });

  it("show test images in order and unaugmented by default", async () => {
    expect((await labelsOf(data.test, { batchSize: 16 })).flat()).to.deep.equal(ascending);
    expect((await labelsOf(data.test, { batchSize: 16, shuffle: true })).flat()).to.not.deep.equal(ascending);
    const pixels: unknown[] = [];
    for (const options of [{}, { augment: false }, { augment: true }]) {
      for await (const { images } of data.test.batches({ batchSize: COUNT, ...options }))
        pixels.push(images.toTypedArray());
    }
    expect(pixels[0]).to.deep.equal(pixels[1]);
    expect(pixels[0]).to.not.deep.equal(pixels[2]);
  });

  it("end with a partial one, unless it is dropped", async () => {
    const lengths = async (options: BatchOptionsInput): Promise<number[]> =>
      (await labelsOf(data.train, options)).map(({ length }) => length);
    expect(await lengths({ batchSize: 16 })).to.deep.equal([16, 16, 16, 2]);
    expect(await lengths({ batchSize: 16, dropLast: true })).to.deep.equal([16, 16, 16]);
    expect(await lengths({ batchSize: 25, dropLast: true })).to.deep.equal([25, 25]);
    expect(await lengths({ batchSize: 128 })).to.deep.equal([50]);
    expect(await lengths({ batchSize: 128, dropLast: true })).to.deep.equal([]);
  });

  it("can be read by two readers at once", async () => {
    const expected = await orderOf({ seed: 1 });
    const both = await Promise.all([orderOf({ seed: 1 }), orderOf({ seed: 1 })]);
    expect(both).to.deep.equal([expected, expected]);
  });

  it("can be abandoned early, and stay valid", async () => {
    const kept = [];
    for await (const batch of data.train.batches({ batchSize: 2, seed: 4, augment: false })) {
      kept.push(batch);
      if (kept.length === 3) break;
    }
    const labels = kept.flatMap((batch) => Array.from(batch.labels.toTypedArray(), Number));
    expect(labels).to.deep.equal((await orderOf({ seed: 4 })).slice(0, 6));
  });

  it("outlive their data set's disposal while they are read", async () => {
    const own = await smallData({ train: 8 });
    let images = 0;
    for await (const { labels } of own.train.batches({ batchSize: 2 })) {
      own.dispose();
      images += labels.shape[0]!;
    }
    expect(images).to.equal(8);
  });

  it("check their options", async () => {
    for (const wrong of [{ batchSize: 0 }, { batchSize: 2.5 }, { seed: -1 }, { epoch: NaN }, { shufle: true }]) {
      const error = await failureOf("INVALID_ARGUMENT", () => labelsOf(data.train, wrong));
      expect(error.message).to.include(Object.keys(wrong)[0]!);
    }
  });
});
