import { expect } from "chai";
import { loadDataset, type Batch, type Dataset } from "../../../lib/index.js";
import type { BatchOptionsInput, Normalization } from "../../../lib/config/schemas/data.js";
import { uniforms } from "../../support/uniforms.js";

const HEIGHT = 6;
const WIDTH = 5;
const PADDING = 4;
const VALUES = 3 * HEIGHT * WIDTH;
const NORMALIZATION: Normalization = { mean: [0.5, 0.4, 0.3], std: [0.25, 0.2, 0.5] };

type Pixels = Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

function noise(seed: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(uniforms(seed, VALUES), (value) => Math.floor(256 * value));
}

/** A data set with these training images, each a class of its own. */
function dataOf(images: readonly Pixels[]): Promise<Dataset<Batch>> {
  const joined = images[0] instanceof Uint8Array ? new Uint8Array(images.length * VALUES)
    : new Float32Array(images.length * VALUES);
  images.forEach((image, index) => {
    joined.set(image, index * VALUES);
  });
  const split = { images: joined, labels: images.map((_, index) => index) };
  return loadDataset({
    kind: "arrays",
    numClasses: Math.max(2, images.length),
    height: HEIGHT,
    width: WIDTH,
    train: split,
    test: split,
    normalization: NORMALIZATION,
  });
}

/**
 * Zero-pads, crops the window at (top, left) and mirrors it, then normalizes: pixel by pixel like the official code.
 */
function window(image: Pixels, top: number, left: number, flip: boolean): Float32Array {
  const result = new Float32Array(VALUES);
  for (let channel = 0; channel < 3; ++channel) {
    for (let y = 0; y < HEIGHT; ++y) {
      for (let x = 0; x < WIDTH; ++x) {
        const sourceY = y + top - PADDING;
        const sourceX = (flip ? WIDTH - 1 - x : x) + left - PADDING;
        const inside = sourceY >= 0 && sourceY < HEIGHT && sourceX >= 0 && sourceX < WIDTH;
        const value = inside ? image[(channel * HEIGHT + sourceY) * WIDTH + sourceX]! : 0;
        result[(channel * HEIGHT + y) * WIDTH + x] = image instanceof Uint8Array
          ? (value / 255 - NORMALIZATION.mean[channel]!) / NORMALIZATION.std[channel]! : value;
      }
    }
  }
  return result;
}

/** Names of all 81 windows, mirrored and not, by their values. */
function windowsOf(image: Pixels): Map<string, string> {
  const names = new Map<string, string>();
  for (let top = 0; top <= 2 * PADDING; ++top) {
    for (let left = 0; left <= 2 * PADDING; ++left) {
      for (const flip of [false, true]) names.set(window(image, top, left, flip).join(), `${top},${left},${flip}`);
    }
  }
  return names;
}

interface Shown {
  readonly label: number;
  readonly values: Float32Array;
}

async function show(data: Dataset<Batch>, options: BatchOptionsInput): Promise<Shown[]> {
  const shown: Shown[] = [];
  for await (const { images, labels } of data.train.batches({ batchSize: 16, ...options })) {
    const values = images.toTypedArray() as Float32Array;
    Array.from(labels.toTypedArray(), Number).forEach((label, index) => {
      shown.push({ label, values: values.slice(index * VALUES, (index + 1) * VALUES) });
    });
  }
  return shown;
}

describe("pad-crop-flip", () => {
  it("shows every window, mirrored and not, and nothing else", async () => {
    const image = noise(1);
    const windows = windowsOf(image);
    expect(windows.size).to.equal(81 * 2);
    using data = await dataOf(new Array<Pixels>(64).fill(image));
    const counts = new Map<string, number>();
    for (let epoch = 0; epoch < 40; ++epoch) {
      for (const { values } of await show(data, { seed: 1, epoch, shuffle: false })) {
        const name = windows.get(values.join());
        if (name === undefined) expect.fail(`epoch ${epoch} shows an image that is no window of its source`);
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
    }
    expect(counts.size).to.equal(162);
    // Of 2560 draws half are mirrored: six standard deviations are 152.
    const flipped = [...counts].filter(([name]) => name.endsWith("true")).reduce((sum, [, count]) => sum + count, 0);
    expect(flipped).to.be.within(1280 - 152, 1280 + 152);
  });

  it("crops each image from its own source, whatever the order", async () => {
    const sources = Array.from({ length: 20 }, (_, index) => noise(100 + index));
    using data = await dataOf(sources);
    const shown = await show(data, { seed: 2, epoch: 3 });
    expect(shown).to.have.length(20);
    for (const { label, values } of shown)
      expect(windowsOf(sources[label]!).has(values.join()), `image ${label}`).to.equal(true);
  });

  it("uses floats unchanged, padded with zeros", async () => {
    const image = Float32Array.from(uniforms(5, VALUES), (value) => 2 * value - 1);
    const windows = windowsOf(image);
    using data = await dataOf(new Array<Pixels>(32).fill(image));
    for (const { values } of await show(data, { seed: 1 })) expect(windows.has(values.join())).to.equal(true);
  });

  it("leaves images unchanged when off", async () => {
    const sources = [noise(1), noise(2), noise(3)];
    using data = await dataOf(sources);
    const shown = await show(data, { augment: false, shuffle: false });
    shown.forEach(({ label, values }, index) => {
      expect(label).to.equal(index);
      expect(values).to.deep.equal(window(sources[index]!, PADDING, PADDING, false));
    });
  });

  it("is a function of only seed, epoch and image", async () => {
    using data = await dataOf(Array.from({ length: 32 }, (_, index) => noise(index)));
    const byLabel = async (options: BatchOptionsInput): Promise<string[]> => {
      const shown = await show(data, options);
      return shown.sort((a, b) => a.label - b.label).map(({ values }) => values.join());
    };
    const expected = await byLabel({ seed: 1, epoch: 2 });
    expect(await byLabel({ seed: 1, epoch: 2 })).to.deep.equal(expected);
    expect(await byLabel({ seed: 1, epoch: 2, batchSize: 5, shuffle: false })).to.deep.equal(expected);
    expect(await byLabel({ seed: 1, epoch: 3 })).to.not.deep.equal(expected);
    expect(await byLabel({ seed: 2, epoch: 2 })).to.not.deep.equal(expected);
  });
});
