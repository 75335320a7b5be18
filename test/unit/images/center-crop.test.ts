import { expect } from "chai";
import { ImageDecoder } from "../../../lib/datasets/image-decoder.js";
import { decodeCenter, resizedSide, type CenterCrop } from "../../../lib/images/center-crop.js";
import { loadSharp, type Sharp } from "../../../lib/images/load-sharp.js";
import { failureOf } from "../../support/errors.js";
import { gradient, picture } from "../../support/image-files.js";

describe("the center of an image", () => {
  let sharp: Sharp;
  before(async () => {
    sharp = await loadSharp();
  });

  const decoded = async (width: number, height: number, crop: CenterCrop): Promise<Uint8Array> =>
    (await decodeCenter(sharp, await picture(width, height, 5).png().toBuffer(), crop)).pixels;

  it("resizes to 256 for 224, and proportionally for other sizes", () => {
    expect([224, 112, 64, 32].map(resizedSide)).to.deep.equal([256, 128, 73, 37]);
  });

  it("leaves the pixels of an image that has the size already", async () => {
    expect(Buffer.from(await decoded(32, 32, { imageSize: [32, 32], resizeSize: 32 }))).to.deep.equal(
      gradient(32, 32, 5),
    );
    expect(Buffer.from(await decoded(24, 16, { imageSize: [16, 24], resizeSize: 16 }))).to.deep.equal(
      gradient(24, 16, 5),
    );
  });

  it("has the pixels of an evaluation of the same file", async () => {
    const decoder = new ImageDecoder(sharp, { size: 32, scale: [0.08, 1], ratio: [3 / 4, 4 / 3] });
    for (const [width, height] of [[300, 74], [41, 90], [20, 20]] as const) {
      const encoded = await picture(width, height).jpeg().withMetadata({ orientation: 6 }).toBuffer();
      const { pixels } = await decodeCenter(sharp, encoded, { imageSize: [32, 32], resizeSize: 37 });
      expect(Buffer.from(pixels)).to.deep.equal(Buffer.from(await decoder.decode(encoded, { kind: "center" })));
    }
  });

  it("surrounds an image with black if it is resized to less than the crop", async () => {
    const pixels = await decoded(28, 28, { imageSize: [33, 33], resizeSize: 28 });
    const source = gradient(28, 28, 5);
    // Of 5 missing rows and columns, 2 are before the image.
    for (const [x, y] of [[0, 0], [32, 32], [2, 2], [29, 29], [1, 15], [15, 30], [10, 20]] as const) {
      const inside = x >= 2 && x < 30 && y >= 2 && y < 30;
      const expected = inside ? [...source.subarray(3 * ((y - 2) * 28 + x - 2), 3 * ((y - 2) * 28 + x - 2) + 3)]
        : [0, 0, 0];
      expect([...pixels.subarray(3 * (y * 33 + x), 3 * (y * 33 + x) + 3)], `${x}, ${y}`).to.deep.equal(expected);
    }
  });

  it("cuts an input that is no square out of an image that covers it", async () => {
    const photo = await decodeCenter(sharp, await picture(100, 100).png().toBuffer(), { imageSize: [16, 32],
      resizeSize: 16 });
    expect([photo.height, photo.width, photo.pixels.length]).to.deep.equal([16, 32, 3 * 16 * 32]);
    // Rows 8 to 24 of 32: green is about 255 · 8 / 31 at the top.
    expect(photo.pixels[1]).to.be.within(60, 75);
    expect(photo.pixels[0]).to.be.below(10);
  });

  it("names a file that is no image, and one that is no photograph", async () => {
    const crop = { imageSize: [8, 8], resizeSize: 8 } as const;
    await failureOf("FILE_CORRUPT", () => decodeCenter(sharp, Buffer.from("no image"), crop));
    const { message } = await failureOf("FILE_UNSUPPORTED",
      () =>
        decodeCenter(sharp, Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'), crop));
    expect(message).to.include("received SVG");
    await failureOf("FILE_NOT_FOUND", () => decodeCenter(sharp, "missing.png", crop));
  });
});
