import { rename, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { loadDataset, type DataSourceInput, type Batch, type Dataset, type DatasetSplit } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { scratchDirectory } from "../lib/small-run.js";

type IdxInput = Omit<Extract<DataSourceInput, { kind: "idx" }>, "kind" | "root">;

const [ROWS, COLUMNS] = [3, 4];

/** An IDX file of bytes. */
function idx(shape: readonly number[], bytes: ArrayLike<number>): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  shape.forEach((length, index) => header.writeUInt32BE(length, 4 + 4 * index));
  return Buffer.concat([header, Buffer.from(Array.from(bytes))]);
}

const pixel = (image: number, position: number): number => (image * 41 + position * 17) % 256;
const images = (count: number, first = 0): Buffer =>
  idx([count, ROWS, COLUMNS], Array.from({ length: count * ROWS * COLUMNS }, (_, i) =>
    pixel(first + Math.floor(i / (ROWS * COLUMNS)), i % (ROWS * COLUMNS))));

async function readAll(
  split: DatasetSplit<Batch>,
): Promise<{ labels: number[]; values: number[]; shape: readonly number[] }> {
  for await (const batch of split.batches({ batchSize: 100, shuffle: false, augment: false })) {
    return { labels: Array.from(batch.labels.toTypedArray(), Number),
      values: Array.from(batch.images.toTypedArray(), Number), shape: batch.images.shape };
  }
  throw new Error("expected a batch");
}

describe("idx", () => {
  const scratch = scratchDirectory();
  const load = (options: IdxInput = {}): Promise<Dataset<Batch>> =>
    loadDataset({ kind: "idx", root: scratch(), ...options });
  const write = (name: string, bytes: Buffer): Promise<void> => writeFile(scratch(name), bytes);

  beforeEach(async () => {
    await write("train-images-idx3-ubyte", images(4));
    await write("train-labels-idx1-ubyte", idx([4], [7, 0, 9, 3]));
    await write("t10k-images-idx3-ubyte", images(2, 4));
    await write("t10k-labels-idx1-ubyte", idx([2], [1, 2]));
  });

  it("reads grey images to three equal channels, with the normalization measured on the training images", async () => {
    using data = await load();
    expect([data.kind, data.numClasses, data.train.size, data.test.size, data.train.imageShape]).to.deep.equal(["idx",
      10, 4, 2, [3, ROWS, COLUMNS]]);
    expect(data.classNames).to.deep.equal(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    const all = Array.from({ length: 4 * ROWS * COLUMNS }, (_, i) => pixel(Math.floor(i / 12), i % 12) / 255);
    const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
    const std = Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length);
    for (let channel = 0; channel < 3; ++channel) {
      expect(data.normalization.mean[channel]).to.be.closeTo(mean, 1e-12);
      expect(data.normalization.std[channel]).to.be.closeTo(std, 1e-12);
    }
    const { labels, values, shape } = await readAll(data.train);
    expect([labels, shape]).to.deep.equal([[7, 0, 9, 3], [4, 3, ROWS, COLUMNS]]);
    values.forEach((value, i) => {
      const image = Math.floor(i / (3 * ROWS * COLUMNS));
      // Values are within ±3, where float32 rounds by at most 2^-23.
      expect(value).to.be.closeTo((pixel(image, i % (ROWS * COLUMNS)) / 255 - mean) / std, 2 ** -22);
    });
    expect((await readAll(data.test)).labels).to.deep.equal([1, 2]);
  });

  it("reads compressed files, and names with a dot", async () => {
    using plain = await load();
    const expected = await readAll(plain.train);
    await rm(scratch("train-images-idx3-ubyte"));
    await write("train-images-idx3-ubyte.gz", gzipSync(images(4)));
    await rename(scratch("t10k-labels-idx1-ubyte"), scratch("t10k-labels.idx1-ubyte"));
    using data = await load();
    expect(await readAll(data.train)).to.deep.equal(expected);
    expect((await readAll(data.test)).labels).to.deep.equal([1, 2]);
  });

  it("pads the images with black to a larger size", async () => {
    using data = await load({ padTo: 8, normalization: { mean: [0, 0, 0], std: [1, 1, 1] } });
    const { values, shape } = await readAll(data.train);
    expect(shape).to.deep.equal([4, 3, 8, 8]);
    for (let y = 0; y < 8; ++y) {
      for (let x = 0; x < 8; ++x) {
        const [row, column] = [y - 2, x - 2];
        const inside = row >= 0 && row < ROWS && column >= 0 && column < COLUMNS;
        // Image 1, channel 2.
        expect(values[((1 * 3 + 2) * 8 + y) * 8 + x]).to.equal(
          inside ? Math.fround(pixel(1, row * COLUMNS + column) / 255) : 0,
        );
      }
    }
  });

  it("accepts class names, other numbers of classes, and limits", async () => {
    const classNames = Array.from({ length: 12 }, (_, index) => `class ${index}`);
    using data = await load({ numClasses: 12, classNames, limitTrain: 2, limitTest: 1 });
    expect(data.classNames).to.deep.equal(classNames);
    expect([data.train.size, data.test.size]).to.deep.equal([2, 1]);
    const { message } = await failureOf("INVALID_ARGUMENT", () => load({ classNames: ["zero"] }));
    expect(message).to.equal("invalid classNames: expected 10 names, received 1. Pass one name per class.");
  });

  it("names a missing file, under all its names", async () => {
    await rm(scratch("t10k-images-idx3-ubyte"));
    const { message, valid } = await failureOf("FILE_NOT_FOUND", () => load());
    expect(message).to.include(`no file t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz in ${scratch()}`).and
      .include("Download");
    expect(valid).to.include("t10k-images.idx3-ubyte.gz");
  });

  const corrupt: readonly [what: string, file: string, bytes: Buffer, message: RegExp][] = [
    ["another magic number", "train-images-idx3-ubyte",
      Buffer.concat([Buffer.from([0, 0, 13, 3]), images(4).subarray(4)]), /magic number 0 0 8 3 .* received 0 0 13 3/],
    ["labels for images", "train-images-idx3-ubyte", idx([30], Array.from({ length: 30 }, () => 0)),
      /magic number 0 0 8 3 .* received 0 0 8 1/],
    ["a file that ends within its header", "train-images-idx3-ubyte", images(4).subarray(0, 9),
      /header of 16 bytes, received a file of 9\b/],
    ["a truncated file", "train-images-idx3-ubyte", images(4).subarray(0, -1),
      /expected 48 bytes after the header .* received 47\. It is truncated/],
    ["bytes after the end", "train-labels-idx1-ubyte", Buffer.concat([idx([4], [7, 0, 9, 3]), Buffer.from([1])]),
      /expected 4 bytes .* received 5\.$/],
    ["lengths that overflow", "train-images-idx3-ubyte", idx([0xffffffff, 0xffffffff, 0xffffffff], []),
      /lengths of 1 or more|after the header/],
    ["no images at all", "train-images-idx3-ubyte", idx([0, ROWS, COLUMNS], []), /lengths of 1 or more/],
    ["fewer labels than images", "train-labels-idx1-ubyte", idx([3], [7, 0, 9]),
      /train-labels.*: expected 4 labels .* received 3\.$/],
  ];
  for (const [what, file, bytes, expected] of corrupt) {
    it(`rejects ${what} and names the file`, async () => {
      await write(file, bytes);
      const { message } = await failureOf("FILE_CORRUPT", () => load());
      expect(message).to.match(expected).and.include(scratch(file));
    });
  }

  it("rejects a compressed file that is damaged", async () => {
    await rm(scratch("train-labels-idx1-ubyte"));
    await write("train-labels-idx1-ubyte.gz", gzipSync(idx([4], [7, 0, 9, 3])).subarray(0, -6));
    const { message } = await failureOf("FILE_CORRUPT", () => load());
    expect(message).to.include("train-labels-idx1-ubyte.gz").and.include("Download it again");
  });

  it("rejects a label without its class, and incompatible sizes", async () => {
    await write("train-labels-idx1-ubyte", idx([4], [7, 0, 10, 3]));
    const { message } = await failureOf("LABEL_OUT_OF_RANGE", () => load());
    expect(message).to.match(
      /^invalid labels of .*train-labels-idx1-ubyte: labels\[2\] is 10: expected an integer from 0 to 9\./,
    );
    await write("train-labels-idx1-ubyte", idx([4], [7, 0, 9, 3]));
    expect((await failureOf("SHAPE_MISMATCH", () => load({ padTo: 3 }))).message).to.include("3×4, received 3");
    await write("t10k-images-idx3-ubyte", idx([2, 2, 2], [0, 0, 0, 0, 0, 0, 0, 0]));
    expect((await failureOf("SHAPE_MISMATCH", () => load())).message).to.include("3×4 and 2×2");
  });
});
