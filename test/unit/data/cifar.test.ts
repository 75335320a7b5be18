import { mkdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { expect } from "chai";
import { CIFAR_NORMALIZATION } from "../../../lib/config/normalizations.js";
import { loadDataset, type Batch, type Dataset, type DatasetSplit, type Normalization } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { scratchDirectory } from "../lib/small-run.js";

const PIXELS = 3 * 32 * 32;
const TRAIN_FILES = [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin`);
/** Published statistics of the training images, in pixels of 0 to 255. */
const MEAN = [125.3, 123.0, 113.9];
const STD = [63.0, 62.1, 66.7];

/** A pixel of the record `id`; different for every record and position. */
const pixel = (id: number, position: number): number =>
  (id * 37 + position * 11 + Math.floor(position / 1024) * 5) % 256;

/** One record: labels, then red, green and blue planes. */
function record(id: number, ...labels: number[]): Buffer {
  return Buffer.from([...labels, ...Array.from({ length: PIXELS }, (_, position) => pixel(id, position))]);
}

interface Read {
  readonly labels: number[];
  readonly images: Float32Array[];
}

async function readAll(split: DatasetSplit<Batch>): Promise<Read> {
  const read: Read = { labels: [], images: [] };
  for await (const { images, labels } of split.batches({ batchSize: 4, shuffle: false, augment: false })) {
    const values = images.toTypedArray() as Float32Array;
    read.labels.push(...Array.from(labels.toTypedArray(), Number));
    for (let image = 0; image < images.shape[0]!; ++image)
      read.images.push(values.slice(image * PIXELS, (image + 1) * PIXELS));
  }
  return read;
}

function expectRecord(values: Float32Array, id: number): void {
  let largest = 0;
  values.forEach((value, position) => {
    const channel = Math.floor(position / 1024);
    const expected = (pixel(id, position) / 255 - MEAN[channel]! / 255) / (STD[channel]! / 255);
    largest = Math.max(largest, Math.abs(value - expected));
  });
  // Values are within ±3, where float32 rounds by at most 2^-23.
  expect(largest).to.be.below(2 ** -22);
}

describe("cifar10", () => {
  const scratch = scratchDirectory();
  const load = (options: { limitTrain?: number; limitTest?: number } = {}): Promise<Dataset<Batch>> =>
    loadDataset({ kind: "cifar10", root: scratch(), ...options });

  beforeEach(async () => {
    for (const [index, file] of TRAIN_FILES.entries()) {
      await writeFile(scratch(file),
        Buffer.concat([record(2 * index, (2 * index) % 10), record(2 * index + 1, (2 * index + 1) % 10)]));
    }
    await writeFile(scratch("test_batch.bin"), Buffer.concat([record(20, 9), record(21, 0), record(22, 5)]));
  });

  it("reads the five training files in order, and the test file", async () => {
    using data = await load();
    expect([data.kind, data.numClasses, data.train.size, data.test.size]).to.deep.equal(["cifar10", 10, 10, 3]);
    expect([data.train.imageShape, data.test.imageShape]).to.deep.equal([[3, 32, 32], [3, 32, 32]]);
    const train = await readAll(data.train);
    expect(train.labels).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    train.images.forEach(expectRecord);
    const test = await readAll(data.test);
    expect(test.labels).to.deep.equal([9, 0, 5]);
    test.images.forEach((image, index) => {
      expectRecord(image, 20 + index);
    });
  });

  it("normalizes by the official code's statistics", async () => {
    using data = await load();
    expect(data.normalization.mean).to.deep.equal(MEAN.map((value) => value / 255));
    expect(data.normalization.std).to.deep.equal(STD.map((value) => value / 255));
    expect(CIFAR_NORMALIZATION).to.deep.equal(data.normalization);
    expect(data.preprocessing).to.deep.equal({ imageSize: [32, 32], resizeSize: 32,
      normalization: data.normalization });
  });

  it("accepts another normalization", async () => {
    const normalization: Normalization = { mean: [0.5, 0.25, 0], std: [0.5, 0.25, 1] };
    using data = await loadDataset({ kind: "cifar10", root: scratch(), normalization });
    const [image] = (await readAll(data.test)).images;
    for (const position of [0, 1500, 3071]) {
      const channel = Math.floor(position / 1024);
      const expected = (pixel(20, position) / 255 - normalization.mean[channel]!) / normalization.std[channel]!;
      expect(image![position]).to.be.closeTo(expected, 2 ** -22);
    }
  });

  it("reads class names from batches.meta.txt, whatever its line endings", async () => {
    const names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    await writeFile(scratch("batches.meta.txt"), `${names.join("\r\n")}\r\n\r\n`);
    using data = await load();
    expect(data.classNames).to.deep.equal(names);
  });

  it("numbers the classes without a file of names", async () => {
    using unnamed = await load();
    expect(unnamed.classNames).to.deep.equal(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  });

  it("rejects a file of names that does not name each class", async () => {
    await writeFile(scratch("batches.meta.txt"), "airplane\nautomobile\n");
    const { message } = await failureOf("FILE_CORRUPT", () => load());
    expect(message).to.include(`invalid file ${scratch("batches.meta.txt")}: expected 10 class names`).and.include(
      "received 2",
    ).and.include("remove it");
  });

  it("uses only the first images with limits", async () => {
    using data = await load({ limitTrain: 3, limitTest: 1 });
    expect((await readAll(data.train)).labels).to.deep.equal([0, 1, 2]);
    expect((await readAll(data.test)).labels).to.deep.equal([9]);
    using whole = await load({ limitTrain: 1000, limitTest: 1000 });
    expect([whole.train.size, whole.test.size]).to.deep.equal([10, 3]);
  });

  it("names a file that is truncated", async () => {
    await truncate(scratch("data_batch_4.bin"), 2 * (PIXELS + 1) - 1);
    const { message } = await failureOf("FILE_CORRUPT", () => load());
    expect(message).to.include(scratch("data_batch_4.bin")).and.to.include("6145").and.to.include("truncated");
  });

  it("rejects an empty file", async () => {
    await writeFile(scratch("test_batch.bin"), "");
    await failureOf("FILE_CORRUPT", () => load());
  });

  it("names a missing file and the command that downloads it", async () => {
    await rm(scratch("data_batch_2.bin"));
    const { message } = await failureOf("FILE_NOT_FOUND", () => load());
    expect(message).to.include("data_batch_2.bin").and.to.include(scratch()).and.to.include(
      "reviewkd data fetch cifar10",
    );
  });

  it("names a directory that is missing, or not a directory", async () => {
    await failureOf("FILE_NOT_FOUND", () => loadDataset({ kind: "cifar10", root: scratch("nowhere") }));
    await failureOf("FILE_NOT_FOUND", () => loadDataset({ kind: "cifar10", root: scratch("test_batch.bin") }));
  });

  it("rejects a directory in place of a file", async () => {
    await rm(scratch("test_batch.bin"));
    await mkdir(scratch("test_batch.bin"));
    await failureOf("FILE_ACCESS", () => load());
  });

  it("names file and record of a label out of range", async () => {
    const bytes = await readFile(scratch("data_batch_3.bin"));
    bytes[PIXELS + 1] = 10;
    await writeFile(scratch("data_batch_3.bin"), bytes);
    const { message } = await failureOf("LABEL_OUT_OF_RANGE", () => load());
    expect(message).to.include("record 1").and.to.include("data_batch_3.bin").and.to.include("expected 0 to 9").and.to
      .include("received 10");
  });
});

describe("cifar100", () => {
  const scratch = scratchDirectory();
  const load = (labels?: "fine" | "coarse"): Promise<Dataset<Batch>> =>
    loadDataset({ kind: "cifar100", root: scratch(), ...(labels === undefined ? {} : { labels }) });

  beforeEach(async () => {
    // Coarse label, fine label, pixels.
    await writeFile(scratch("train.bin"), Buffer.concat([record(1, 19, 0), record(2, 3, 99), record(3, 0, 42)]));
    await writeFile(scratch("test.bin"), Buffer.concat([record(4, 7, 13)]));
  });

  it("uses the fine labels by default", async () => {
    expect((await readAll((await load("fine")).train)).labels).to.deep.equal([0, 99, 42]);
    using data = await load();
    expect([data.kind, data.numClasses]).to.deep.equal(["cifar100", 100]);
    const train = await readAll(data.train);
    expect(train.labels).to.deep.equal([0, 99, 42]);
    train.images.forEach((image, index) => {
      expectRecord(image, 1 + index);
    });
    const test = await readAll(data.test);
    expect(test.labels).to.deep.equal([13]);
    expectRecord(test.images[0]!, 4);
  });

  it("has the 20 coarse labels on request, with the same images", async () => {
    using data = await load("coarse");
    expect([data.kind, data.numClasses]).to.deep.equal(["cifar100", 20]);
    const train = await readAll(data.train);
    expect(train.labels).to.deep.equal([19, 3, 0]);
    train.images.forEach((image, index) => {
      expectRecord(image, 1 + index);
    });
    expect((await readAll(data.test)).labels).to.deep.equal([7]);
    expect(data.classNames).to.deep.equal(Array.from({ length: 20 }, (_, label) => String(label)));
  });

  it("reads the names of coarse labels from coarse_label_names.txt", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `group ${index}`);
    await writeFile(scratch("coarse_label_names.txt"), names.join("\n"));
    using data = await load("coarse");
    expect(data.classNames).to.deep.equal(names);
  });

  it("rejects a coarse label of 20, and other kinds of labels", async () => {
    await writeFile(scratch("test.bin"), record(4, 20, 13));
    const { message } = await failureOf("LABEL_OUT_OF_RANGE", () => load("coarse"));
    expect(message).to.include("expected 0 to 19, received 20");
    await failureOf("INVALID_ARGUMENT", () => load("medium" as never));
  });

  it("reads class names from fine_label_names.txt", async () => {
    const names = Array.from({ length: 100 }, (_, index) => `class ${index}`);
    await writeFile(scratch("fine_label_names.txt"), names.join("\n"));
    using data = await load();
    expect(data.classNames).to.deep.equal(names);
  });

  it("does not accept CIFAR-10's records as its own", async () => {
    await writeFile(scratch("train.bin"), Buffer.concat([record(1, 3), record(2, 4)]));
    const { message } = await failureOf("FILE_CORRUPT", () => load());
    expect(message).to.include("train.bin").and.to.include("cifar100");
  });

  it("rejects a fine label of 100", async () => {
    await writeFile(scratch("test.bin"), record(4, 7, 100));
    const { message } = await failureOf("LABEL_OUT_OF_RANGE", () => load());
    expect(message).to.include("record 0").and.to.include("received 100");
  });

  it("requires a root", async () => {
    for (const root of [undefined, ""])
      await failureOf("INVALID_ARGUMENT", () => loadDataset({ kind: "cifar100", root } as never));
  });
});
