import { expect } from "chai";
import { addon } from "../../../lib/native.js";
import type { NativeWindow } from "../../../lib/native-types.js";
import { failureOf } from "../../support/errors.js";

const DEFAULTS = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] } as const;

const MASK = (1n << 64n) - 1n;

/** SplitMix64's finalizer. */
function mix(value: bigint): bigint {
  let mixed = value & MASK;
  mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return mixed ^ (mixed >> 31n);
}

/** The native random numbers, reimplemented. */
class Random {
  #state: bigint;

  constructor(...parts: bigint[]) {
    this.#state = parts.reduce((key, part) => mix(key + 0x9e3779b97f4a7c15n + mix(part)), 0x243f6a8885a308d3n);
  }

  #next(): bigint {
    this.#state = (this.#state + 0x9e3779b97f4a7c15n) & MASK;
    return mix(this.#state);
  }

  below(bound: number): number {
    return Number(((this.#next() >> 32n) * BigInt(bound)) >> 32n);
  }

  uniform(low: number, high: number): number {
    return low + (high - low) * (Number(this.#next() >> 11n) * 2 ** -53);
  }
}

/** Python's round(). */
function round(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** torchvision.transforms.RandomResizedCrop.get_params, line by line, on the numbers of `random`. */
function reference(random: Random, height: number, width: number,
  { scale, ratio }: { scale: readonly [number, number]; ratio: readonly [number, number] }): NativeWindow {
  const flip = random.below(2) === 1;
  for (let attempt = 0; attempt < 10; ++attempt) {
    const area = height * width * random.uniform(...scale);
    const aspect = Math.exp(random.uniform(Math.log(ratio[0]), Math.log(ratio[1])));
    const w = round(Math.sqrt(area * aspect));
    const h = round(Math.sqrt(area / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      const top = random.below(height - h + 1);
      return { top, left: random.below(width - w + 1), height: h, width: w, flip };
    }
  }
  let [h, w] = [height, width];
  if (width / height < ratio[0]) h = round(width / ratio[0]);
  else if (width / height > ratio[1]) w = round(height * ratio[1]);
  return { top: Math.floor((height - h) / 2), left: Math.floor((width - w) / 2), height: h, width: w, flip };
}

describe("random resized crop", () => {
  const draw = (index: number, height: number, width: number,
    options: Parameters<typeof reference>[3] = DEFAULTS): NativeWindow =>
    addon().randomResizedCrop(5, 3, index, height, width, options);

  it("follows torchvision's algorithm", () => {
    const sizes = [[375, 500], [500, 375], [1, 1], [2, 3], [64, 64], [30, 700], [700, 30]] as const;
    for (const [height, width] of sizes) {
      for (let index = 0; index < 50; ++index) {
        const expected = reference(new Random(0x77696e646f77n, 5n, 3n, BigInt(index)), height, width, DEFAULTS);
        expect(draw(index, height, width)).to.deep.equal(expected);
      }
    }
  });

  it("is within the image, and within the bounds of area and ratio", () => {
    const options = { scale: [0.25, 0.5], ratio: [1, 2] } as const;
    for (let index = 0; index < 200; ++index) {
      const { top, left, height, width } = draw(index, 300, 400, options);
      expect(top + height).to.be.at.most(300);
      expect(left + width).to.be.at.most(400);
      // Sides are integers: half a pixel of tolerance each way.
      expect((height + 0.5) * (width + 0.5)).to.be.at.least(0.25 * 300 * 400);
      expect((height - 0.5) * (width - 0.5)).to.be.at.most(0.5 * 300 * 400);
      expect((width + 0.5) / (height - 0.5)).to.be.at.least(1);
      expect((width - 0.5) / (height + 0.5)).to.be.at.most(2);
    }
  });

  it("falls back to the largest central window of an image that is too long or too high", () => {
    expect(draw(0, 10, 1000, { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] })).to.include({ top: 0, left: 493, height: 10,
      width: 13 });
    expect(draw(0, 1000, 10, { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] })).to.include({ top: 493, left: 0, height: 13,
      width: 10 });
  });

  it("mirrors half of the images, and draws independently for each image, epoch and seed", () => {
    const flips = Array.from({ length: 1000 }, (_, index) => draw(index, 100, 100).flip).filter(Boolean).length;
    // Four standard deviations around 500.
    expect(flips).to.be.within(437, 563);
    const drawn = [[5, 3, 0], [5, 3, 1], [5, 4, 0], [6, 3, 0]] as const;
    const windows = drawn.map(([seed, epoch, index]) =>
      JSON.stringify(addon().randomResizedCrop(seed, epoch, index, 400, 400, DEFAULTS))
    );
    expect(new Set(windows).size).to.equal(4);
  });

  it("rejects an image without pixels", async () => {
    const { message } = await failureOf("INVALID_ARGUMENT", () => draw(0, 0, 5));
    expect(message).to.equal("invalid image size: expected a height and width of 1 or more, received 0 and 5.");
  });
});
