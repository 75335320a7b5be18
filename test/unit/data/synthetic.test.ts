import { expect } from "chai";
import { loadDataset, type Batch, type Dataset, type DatasetSplit } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { numbersIn } from "../training/small-training.js";

const VALUES = 3 * 32 * 32;
const SMALL = { kind: "synthetic", numClasses: 5, trainSamples: 40, testSamples: 20 } as const;

interface Read {
  readonly labels: number[];
  readonly images: string[];
  readonly values: Float64Array[];
}

/** All images of a split in order, unaugmented. */
async function readAll(split: DatasetSplit<Batch>): Promise<Read> {
  const read: Read = { labels: [], images: [], values: [] };
  for await (const { images, labels } of split.batches({ batchSize: 64, shuffle: false, augment: false })) {
    const numbers = numbersIn(images);
    read.labels.push(...numbersIn(labels));
    for (let begin = 0; begin < numbers.length; begin += VALUES) {
      const image = numbers.slice(begin, begin + VALUES);
      read.values.push(image);
      read.images.push(image.join());
    }
  }
  return read;
}

describe("the synthetic data set", () => {
  let data: Dataset<Batch>;
  let train: Read;
  let test: Read;

  before(async () => {
    data = await loadDataset(SMALL);
    [train, test] = [await readAll(data.train), await readAll(data.test)];
  });
  after(() => {
    data.dispose();
  });

  it("has the requested sizes, at 32×32 pixels", () => {
    expect([data.kind, data.numClasses, data.train.size, data.test.size]).to.deep.equal(["synthetic", 5, 40, 20]);
    expect([data.train.imageShape, data.test.imageShape]).to.deep.equal([[3, 32, 32], [3, 32, 32]]);
  });

  it("is the same for the same seed", async () => {
    using again = await loadDataset(SMALL);
    expect(await readAll(again.train)).to.deep.equal(train);
    expect(await readAll(again.test)).to.deep.equal(test);
  });

  it("differs for another seed", async () => {
    using other = await loadDataset({ ...SMALL, seed: 1 });
    const { images, labels } = await readAll(other.train);
    expect(images.filter((image) => train.images.includes(image))).to.be.empty;
    expect(labels).to.deep.equal(train.labels);
  });

  it("draws the first images the same way, however many there are", async () => {
    using fewer = await loadDataset({ ...SMALL, trainSamples: 10, normalization: data.normalization });
    expect((await readAll(fewer.train)).images).to.deep.equal(train.images.slice(0, 10));
  });

  it("has equally many images of each class", () => {
    for (const [{ labels }, each] of [[train, 8], [test, 4]] as const) {
      for (let label = 0; label < 5; ++label) expect(labels.filter((value) => value === label)).to.have.length(each);
    }
  });

  it("repeats no image, and shares none between training and test", () => {
    expect(new Set([...train.images, ...test.images]).size).to.equal(60);
  });

  it("draws images with contrast", () => {
    for (const values of [...train.values, ...test.values]) {
      const mean = values.reduce((sum, value) => sum + value, 0) / VALUES;
      const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / VALUES);
      // In units of the whole set's deviation; noise alone would give a quarter.
      expect(deviation).to.be.above(0.3);
    }
  });

  it("normalizes with the statistics of its own training images", () => {
    for (const channel of [0, 1, 2]) {
      const values = train.values.flatMap((image) => [...image.slice(channel * 1024, (channel + 1) * 1024)]);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
      // Values are rounded to float32 each.
      expect(mean).to.be.closeTo(0, 1e-6);
      expect(deviation).to.be.closeTo(1, 1e-6);
    }
  });

  it("names each class once", async () => {
    using all = await loadDataset({ kind: "synthetic", trainSamples: 20, testSamples: 20 });
    expect(all.numClasses).to.equal(20);
    expect(new Set(all.classNames).size).to.equal(20);
    for (const name of all.classNames) expect(name).to.match(/^[a-z][a-z -]+$/);
    expect(data.classNames).to.deep.equal(all.classNames.slice(0, 5));
  });

  it("uses only the first images with limits", async () => {
    using limited = await loadDataset({ ...SMALL, limitTrain: 7, limitTest: 3 });
    expect((await readAll(limited.train)).images).to.deep.equal(train.images.slice(0, 7));
    expect((await readAll(limited.test)).images).to.deep.equal(test.images.slice(0, 3));
  });

  for (const wrong of [{ numClasses: 1 }, { numClasses: 21 }, { trainSamples: 0 }, { testSamples: NaN }, {
    limitTrain: 0,
  }, { samples: 3 }]) {
    const [key, value] = Object.entries(wrong)[0]!;
    it(`rejects ${value} for ${key}`, async () => {
      const error = await failureOf("INVALID_ARGUMENT", () => loadDataset({ kind: "synthetic", ...wrong }));
      expect(error.message).to.include(key);
    });
  }

  it("is listed when a kind is unknown", async () => {
    const error = await failureOf("INVALID_ARGUMENT", () => loadDataset({ kind: "syntetic" } as never));
    expect(error.valid).to.deep.equal(["synthetic", "cifar10", "cifar100", "image-folder", "idx", "coco", "voc",
      "scenes", "arrays", "stream", "boxes"]);
  });
});
