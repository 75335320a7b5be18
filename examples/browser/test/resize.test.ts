// The page's resizing, compared in Node with what `model.classify` gives a network to see.
import { expect } from "chai";
import sharp from "sharp";
import { decodeCenter } from "../../../lib/images/center-crop.js";
import { halves } from "../../../test/support/landscapes.js";
import { resize, type Side, type Strip } from "../src/resize.js";
import { differenceOf } from "./pixel-difference.js";

/** The strips of a picture, of an odd number of rows each. */
async function* stripsOf(rgba: Uint8Array, width: number, height: number): AsyncGenerator<Strip> {
  for (let top = 0; top < height; top += 37) {
    const rows = Math.min(37, height - top);
    yield await Promise.resolve({ top, rows, rgba: rgba.subarray(top * width * 4, (top + rows) * width * 4) });
  }
}

describe("resize", () => {
  for (const [width, height, toWidth, toHeight] of [[96, 64, 48, 32], [120, 90, 97, 73], [640, 480, 97, 73], [1601,
    1203, 85, 64], [2000, 1500, 97, 73], [73, 73, 73, 73], [50, 40, 60, 48], [20, 15, 97, 73]] as const) {
    it(`sees in ${width} × ${height} pixels resized to ${toWidth} × ${toHeight} what Node sees`, async () => {
      const file = await (await halves("forest", "tulips", width, height)).png().toBuffer();
      const { pixels } = await decodeCenter(sharp, file, { imageSize: [toHeight, toWidth],
        resizeSize: Math.min(toHeight, toWidth) });
      const rgba = await sharp(file).ensureAlpha().raw().toBuffer();
      const whole = (from: number, to: number): Side => ({ from, to, start: 0, length: to });
      const found = await resize(stripsOf(rgba, width, height), whole(width, toWidth), whole(height, toHeight));
      const { most, mean, bias } = differenceOf(found, pixels);
      // The bytes are the same, but for positions and weights exactly between two that can be represented: which one
      // libvips takes depends on how it sums. Of the pixels of these scenes, 1 % differ in two of the sizes.
      expect(most).to.be.at.most(1);
      expect(mean).to.be.at.most(0.03);
      expect(Math.abs(bias)).to.be.at.most(0.02);
    });
  }

  it("keeps the part that is wanted", async () => {
    const ramp = Uint8Array.from({ length: 8 * 4 }, (_, at) => (at % 4 === 3 ? 255 : 10 * Math.floor(at / 4)));
    const side: Side = { from: 8, to: 4, start: 1, length: 2 };
    const found = await resize(stripsOf(ramp, 8, 1), side, { from: 1, to: 1, start: 0, length: 1 });
    // Each new pixel is the mean around it: of pixels 2 and 3, and of 4 and 5.
    expect([...found]).to.deep.equal([25, 25, 25, 45, 45, 45]);
  });
});
