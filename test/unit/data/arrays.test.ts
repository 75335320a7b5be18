import { createContext, runInContext } from "node:vm";
import { expect } from "chai";
import { loadDataset, type Batch, type DatasetSplit } from "../../../lib/index.js";
import type { ArraySplit, DataSourceInput } from "../../../lib/config/schemas/data.js";
import { failureOf } from "../../support/errors.js";
import { numbersIn } from "../training/small-training.js";
import { uniforms } from "../../support/uniforms.js";

const HEIGHT = 2;
const WIDTH = 3;
const VALUES = 3 * HEIGHT * WIDTH;

const bytes = (count: number, seed = 1): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(uniforms(seed, count * VALUES), (value) => Math.floor(256 * value));
const floats = (count: number, seed = 1): Float32Array<ArrayBuffer> =>
  Float32Array.from(uniforms(seed, count * VALUES), (value) => 4 * value - 2);

type ArraysInput = Extract<DataSourceInput, { kind: "arrays" }>;

function source(train: ArraySplit, test: ArraySplit = train, rest: Partial<ArraysInput> = {}): ArraysInput {
  return { kind: "arrays", numClasses: 4, height: HEIGHT, width: WIDTH, train, test, ...rest };
}

async function readAll(split: DatasetSplit<Batch>): Promise<{ values: number[]; labels: number[] }> {
  const [values, labels]: [number[], number[]] = [[], []];
  for await (const batch of split.batches({ shuffle: false, augment: false })) {
    values.push(...numbersIn(batch.images));
    labels.push(...numbersIn(batch.labels));
  }
  return { values, labels };
}

describe("arrays as a data set", () => {
  it("are normalized by the statistics of the training bytes", async () => {
    const train = { images: bytes(6), labels: [0, 1, 2, 3, 0, 1] };
    const test = { images: bytes(2, 9), labels: [3, 2] };
    using data = await loadDataset(source(train, test));
    expect([data.kind, data.numClasses, data.train.size, data.test.size]).to.deep.equal(["arrays", 4, 6, 2]);
    expect(data.train.imageShape).to.deep.equal([3, HEIGHT, WIDTH]);

    const plane = HEIGHT * WIDTH;
    const ofChannel = (channel: number): number[] =>
      [...train.images].filter((_, index) => Math.floor(index / plane) % 3 === channel).map((value) => value / 255);
    const means = [0, 1, 2].map((channel) => ofChannel(channel).reduce((sum, value) => sum + value, 0) / (6 * plane));
    const deviations = [0, 1, 2].map((channel) =>
      Math.sqrt(ofChannel(channel).reduce((sum, value) => sum + (value - means[channel]!) ** 2, 0) / (6 * plane))
    );
    for (const channel of [0, 1, 2]) {
      // Float64 sums of 36 values in another order.
      expect(data.normalization.mean[channel]).to.be.closeTo(means[channel]!, 1e-12);
      expect(data.normalization.std[channel]).to.be.closeTo(deviations[channel]!, 1e-12);
    }
    for (const [split, given] of [[data.train, train], [data.test, test]] as const) {
      const { values, labels } = await readAll(split);
      expect(labels).to.deep.equal(given.labels);
      values.forEach((value, index) => {
        const channel = Math.floor(index / plane) % 3;
        // float32 of values within ±3
        expect(value).to.be.closeTo((given.images[index]! / 255 - means[channel]!) / deviations[channel]!, 2 ** -22);
      });
    }
  });

  it("keep a channel without variation finite", async () => {
    using data = await loadDataset(source({ images: new Uint8Array(2 * VALUES).fill(51), labels: [0, 1] }));
    expect(data.normalization.mean).to.deep.equal([0.2, 0.2, 0.2]);
    expect((await readAll(data.train)).values).to.deep.equal(new Array(2 * VALUES).fill(0));
  });

  it("are used unchanged if they are floats", async () => {
    const train = { images: floats(3), labels: [0, 1, 2] };
    using data = await loadDataset(source(train));
    expect((await readAll(data.train)).values).to.deep.equal([...train.images]);
    expect(data.normalization).to.deep.equal({ mean: [0, 0, 0], std: [1, 1, 1] });
  });

  it("are copied: later changes to them do not matter", async () => {
    const train = { images: floats(2), labels: Uint8Array.of(0, 1) };
    const before = [...train.images];
    using data = await loadDataset(source(train));
    train.images.fill(0);
    train.labels.fill(3);
    expect(await readAll(data.train)).to.deep.equal({ values: before, labels: [0, 1] });
  });

  it("may be views into larger buffers", async () => {
    const whole = floats(4);
    const images = whole.subarray(VALUES, 3 * VALUES);
    const labels = Int32Array.of(9, 2, 1, 9).subarray(1, 3);
    using data = await loadDataset(source({ images, labels }));
    expect(await readAll(data.train)).to.deep.equal({ values: [...images], labels: [2, 1] });
  });

  for (const labels of [[3, 0], Uint8Array.of(3, 0), Uint16Array.of(3, 0), Int32Array.of(3, 0),
    BigInt64Array.of(3n, 0n)]) {
    it(`take labels as ${labels.constructor.name}`, async () => {
      using data = await loadDataset(source({ images: bytes(2), labels }));
      expect((await readAll(data.train)).labels).to.deep.equal([3, 0]);
    });
  }

  it("number the classes without names", async () => {
    const train = { images: bytes(1), labels: [0] };
    using numbered = await loadDataset(source(train));
    expect(numbered.classNames).to.deep.equal(["0", "1", "2", "3"]);
    using named = await loadDataset(source(train, train, { classNames: ["a", "b", "c", "d"] }));
    expect(named.classNames).to.deep.equal(["a", "b", "c", "d"]);
    const error = await failureOf("INVALID_ARGUMENT",
      () => loadDataset(source(train, train, { classNames: ["a", "b"] })));
    expect(error.message).to.include("invalid classNames: expected 4 names, received 2.");
  });

  it("obey limits", async () => {
    const train = { images: floats(4), labels: [0, 1, 2, 3] };
    using data = await loadDataset(source(train, train, { limitTrain: 3, limitTest: 1 }));
    expect(await readAll(data.train)).to.deep.equal({ values: [...train.images.subarray(0, 3 * VALUES)],
      labels: [0, 1, 2] });
    expect((await readAll(data.test)).labels).to.deep.equal([0]);
  });

  it("take arrays of another realm, clamped ones, Buffers and parts of larger ones", async () => {
    const expected = bytes(2);
    const realm = createContext({ numbers: [...expected] });
    const odd = new Uint8Array(expected.length + 1);
    odd.set(expected, 1);
    for (const images of [runInContext("new Uint8Array(numbers)", realm) as Uint8Array,
      Uint8ClampedArray.from(expected), Buffer.from(expected), odd.subarray(1)]) {
      using data = await loadDataset(
        source({ images, labels: [0, 1] }, { images, labels: [0, 1] }, {
          normalization: { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] },
        }),
      );
      expect((await readAll(data.train)).values.map(Math.round)).to.deep.equal([...expected]);
    }
    const values = floats(2);
    using data = await loadDataset(source({
      images: runInContext("Float32Array.from(numbers)", createContext({ numbers: [...values] })) as Float32Array,
      labels: runInContext("[1n, 0]", createContext({})) as number[],
    }));
    expect(await readAll(data.train)).to.deep.equal({ values: [...values], labels: [1, 0] });
  });

  it("copy shared memory and memory that grows at once, so that later changes do not matter", async () => {
    const given = floats(2);
    // TypeScript's ES2023 does not know the second argument.
    const growing = <Memory>(type: new(bytes: number) => Memory): Memory =>
      new (type as new(bytes: number, options: object) => Memory)(given.byteLength, { maxByteLength: 4096 });
    for (const buffer of [new SharedArrayBuffer(given.byteLength), growing(SharedArrayBuffer), growing(ArrayBuffer)]) {
      // Without a length, an array follows its buffer's.
      const images = new Float32Array(buffer);
      images.set(given);
      const labels = new BigInt64Array(new SharedArrayBuffer(16));
      const loading = loadDataset(source({ images, labels }));
      images.fill(7);
      labels.fill(3n);
      using data = await loading;
      expect(await readAll(data.train)).to.deep.equal({ values: [...given], labels: [0, 0] });
    }
  });

  it("name an array whose memory is gone, and the first value that is not finite", async () => {
    const gone = { images: floats(2), labels: Uint8Array.of(0, 1) };
    structuredClone(gone.labels, { transfer: [gone.labels.buffer] });
    expect((await failureOf("INVALID_ARGUMENT", () => loadDataset(source(gone)))).message).to.match(
      /^invalid train\.labels: expected an array with its memory/,
    );
    const bad = { images: floats(600), labels: new Uint8Array(600) };
    bad.images[599 * VALUES + 4] = NaN;
    bad.images[599 * VALUES + 5] = Infinity;
    const good = { images: floats(1), labels: [0] };
    expect((await failureOf("INVALID_ARGUMENT", () => loadDataset(source(good, bad)))).message).to.equal(
      `invalid images: test.images[${599 * VALUES + 4}], a value of image 599, is nan: expected finite numbers. Correct the image or leave it out.`,
    );
  });

  const good: ArraySplit = { images: bytes(2), labels: [0, 1] };
  const bad = [
    { what: "fewer values than images", code: "SHAPE_MISMATCH",
      source: source({ images: bytes(2).subarray(1), labels: [0, 1] }),
      says: "invalid train.images: expected 36 values (2 images of 18, one for each label), received 35." },
    { what: "more values than images in the test", code: "SHAPE_MISMATCH",
      source: source(good, { images: bytes(3), labels: [0, 1] }), says: "test.images" },
    { what: "no images", code: "SHAPE_MISMATCH", source: source({ images: new Uint8Array(0), labels: [] }),
      says: "invalid train: expected at least one image with its label, received none." },
    { what: "a label of the number of classes", code: "LABEL_OUT_OF_RANGE",
      source: source({ images: bytes(2), labels: [3, 4] }),
      says: "invalid labels of train: train.labels[1] is 4: expected an integer from 0 to 3." },
    { what: "a label below 0 in the test", code: "LABEL_OUT_OF_RANGE",
      source: source(good, { images: bytes(2), labels: Int32Array.of(-1, 0) }),
      says: "invalid labels of test: test.labels[0] is -1: expected an integer from 0 to 3." },
    { what: "a fractional label", code: "INVALID_ARGUMENT", source: source({ images: bytes(2), labels: [0, 0.5] }),
      says: "labels" },
    { what: "bytes for training and floats for the test", code: "DTYPE_MISMATCH",
      source: source(good, { images: floats(2), labels: [0, 1] }), says: "the same array type" },
    { what: "pixels of another type", code: "INVALID_ARGUMENT",
      source: source({ images: new Float64Array(36), labels: [0, 1] } as never), says: "train.images" },
    { what: "a single class", code: "INVALID_ARGUMENT", source: source(good, good, { numClasses: 1 }),
      says: "numClasses" },
    { what: "a height of 0", code: "INVALID_ARGUMENT", source: source(good, good, { height: 0 }), says: "height" },
    { what: "sides that no image has", code: "INVALID_ARGUMENT",
      source: source(good, good, { height: 2 ** 31, width: 2 ** 31 }),
      says: "height: expected a whole number ≤ 16777216, received 2147483648." },
    { what: "labels that throw when they are read", code: "INVALID_ARGUMENT",
      source: source({ images: bytes(2), labels: new Proxy([0, 1], { get: () => {
        throw new Error("trap");
      } }) }), says: "expected values that can be read, received one that throws: trap." },
    { what: "a label that throws when it is read", code: "INVALID_ARGUMENT",
      source: source({ images: bytes(2), labels: Object.defineProperty([0, 1], 1, { get: () => {
        throw new Error("boom");
      } }) }), says: "invalid labels of train: expected values that can be read, received one that throws: boom." },
    { what: "a deviation of 0", code: "INVALID_ARGUMENT",
      source: source(good, good, { normalization: { mean: [0, 0, 0], std: [1, 0, 1] } }), says: "normalization.std" },
  ] as const;
  for (const { what, code, source: given, says } of bad) {
    it(`are rejected with ${what}`, async () => {
      const error = await failureOf(code, () => loadDataset(given));
      expect(error.message).to.include(says);
    });
  }
});
