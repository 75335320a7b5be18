import { expect } from "chai";
import { tint } from "../../../lib/detection/draw-colors.js";
import { paintMask } from "../../../lib/detection/draw-masks.js";
import { encode } from "../../../lib/detection/masks.js";
import { Tensor } from "../../../lib/index.js";

const COLOR = [200, 100, 0] as const;
const GREY = 50;

function greyImage(width: number, height: number): { pixels: Uint8Array; width: number; height: number } {
  return { pixels: new Uint8Array(3 * width * height).fill(GREY), width, height };
}

/** The image after a mask was painted, by the definition: the mean over a square, pixel by pixel. */
function reference(mask: Uint8Array, width: number, height: number, radius: number): number[] {
  const outline = tint(COLOR, 0.35);
  return Array.from({ length: 3 * width * height }, (_, index) => {
    const [x, y, channel] = [Math.floor(index / 3) % width, Math.floor(index / 3 / width), index % 3];
    let sum = 0;
    for (let row = y - radius; row <= y + radius; ++row) {
      for (let column = x - radius; column <= x + radius; ++column) {
        if (row >= 0 && row < height && column >= 0 && column < width) sum += mask[row * width + column]!;
      }
    }
    const share = sum / (2 * radius + 1) ** 2;
    const filled = GREY + 0.4 * share * (COLOR[channel]! - GREY);
    return Math.round(filled + 0.95 * (1 - Math.abs(2 * share - 1)) * (outline[channel]! - filled));
  });
}

describe("painting masks", () => {
  const [width, height] = [23, 17];
  const shapes: Record<string, (x: number, y: number) => boolean> = {
    "a disc": (x, y) => (x - 11) ** 2 + (y - 8) ** 2 < 30,
    "a mask at all borders": (x, y) => x === 0 || y === 0 || x === 22 || y === 16,
    "the whole image": () => true,
    "a single pixel in a corner": (x, y) => x === 22 && y === 16,
    "a pattern": (x, y) => (x * 7 + y * 3) % 5 === 0,
  };
  for (const [name, includes] of Object.entries(shapes)) {
    for (const radius of [1, 2, 30]) {
      it(`blends the area and its outline: ${name}, radius ${radius}`, async () => {
        const mask = Uint8Array.from({ length: width * height }, (_, index) =>
          Number(includes(index % width, Math.floor(index / width))));
        const { counts } = await encode(Tensor.from(mask, [height, width]), { compressed: false });
        const image = greyImage(width, height);
        paintMask(image, counts as number[], COLOR, radius);
        expect(Array.from(image.pixels)).to.deep.equal(reference(mask, width, height, radius));
      });
    }
  }

  it("changes nothing for an empty mask", () => {
    const image = greyImage(width, height);
    paintMask(image, [width * height], COLOR, 2);
    expect(new Set(image.pixels)).to.deep.equal(new Set([GREY]));
  });
});
