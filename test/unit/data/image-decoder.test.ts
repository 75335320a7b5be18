import { expect } from "chai";
import sharp, { type Sharp } from "sharp";
import { ImageDecoder } from "../../../lib/datasets/image-decoder.js";
import { loadSharp } from "../../../lib/images/load-sharp.js";
import { addon } from "../../../lib/native.js";
import { gradient, picture } from "../../support/image-files.js";

const CROPS = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] } as const;
const CENTER = { kind: "center" } as const;

describe("image decoder", () => {
  let decoder: (size: number) => ImageDecoder;
  before(async () => {
    const loaded = await loadSharp();
    decoder = (size) => new ImageDecoder(loaded, { size, ...CROPS });
  });

  /** Red grows to the right and green downwards; the pixel at a position of the decoded square. */
  const at = (pixels: Uint8Array, size: number, x: number,
    y: number): number[] => [...pixels.subarray(3 * (y * size + x), 3 * (y * size + x) + 3)];

  it("crops the centre without resizing if the short side already fits", async () => {
    const [width, height, size] = [40, 37, 32];
    const pixels = await decoder(size).decode(await picture(width, height).png().toBuffer(), CENTER);
    const source = gradient(width, height);
    // left = 4, top = 2.5, which Python rounds to 2.
    for (const [x, y] of [[0, 0], [31, 31], [7, 20]] as const) {
      expect(at(pixels, size, x, y)).to.deep.equal([
        ...source.subarray(3 * ((y + 2) * width + x + 4), 3 * ((y + 2) * width + x + 4) + 3),
      ]);
    }
  });

  it("crops the centre of wide and of high images", async () => {
    for (const [width, height] of [[300, 74], [74, 300]] as const) {
      const pixels = await decoder(32).decode(await picture(width, height).png().toBuffer(), CENTER);
      expect(pixels.length).to.equal(3 * 32 * 32);
      // The longer side shows its middle ninth: 32 of 150 pixels around the centre; the shorter one nearly all.
      const [first, last] = [at(pixels, 32, 0, 0), at(pixels, 32, 31, 31)];
      const [long, short] = width > height ? [0, 1] : [1, 0];
      expect([first[long]!, last[long]!].map((value) => Math.round(value / 5))).to.deep.equal([20, 31]);
      expect([first[short]! < 25, last[short]! > 230]).to.deep.equal([true, true]);
    }
  });

  it("crops, resizes and mirrors the drawn window", async () => {
    const size = 16;
    const encoded = await picture(200, 150).png().toBuffer();
    for (let index = 0; index < 6; ++index) {
      const crop = { kind: "random", seed: 1, epoch: 2, index } as const;
      const { top, left, height, width, flip } = addon().randomResizedCrop(1, 2, index, 150, 200, CROPS);
      const pixels = await decoder(size).decode(encoded, crop);
      for (const [x, y] of [[3, 4], [12, 9]] as const) {
        const sourceX = left + ((flip ? size - 1 - x : x) + 0.5) * (width / size) - 0.5;
        const sourceY = top + (y + 0.5) * (height / size) - 0.5;
        const [red, green] = at(pixels, size, x, y);
        // Resizing a gradient gives the gradient, up to the rounding of both.
        expect(red).to.be.closeTo((255 * sourceX) / 199, 2);
        expect(green).to.be.closeTo((255 * sourceY) / 149, 2);
      }
    }
  });

  it("rotates the image according to its EXIF data before cropping", async () => {
    const size = 16;
    // Orientation 6: the stored top row is the right column.
    const turned = await picture(60, 40).withMetadata({ orientation: 6 }).jpeg({ quality: 100,
      chromaSubsampling: "4:4:4" }).toBuffer();
    const upright = await picture(60, 40).rotate(90).png().toBuffer();
    for (const crop of [CENTER, { kind: "random", seed: 0, epoch: 0, index: 3 } as const]) {
      const [a, b] = [await decoder(size).decode(turned, crop), await decoder(size).decode(upright, crop)];
      // JPEG at its best quality is off by a few.
      a.forEach((value, index) => expect(value).to.be.closeTo(b[index]!, 6));
    }
  });

  const gray = 119;
  const plain = { create: { width: 40, height: 40, channels: 3, background: { r: gray, g: gray, b: gray } } } as const;

  it("converts grey, 16-bit, transparent and CMYK images to three channels", async () => {
    const files = {
      grey: await sharp(plain).toColourspace("b-w").png().toBuffer(),
      "16 bits": await sharp(plain).toColourspace("rgb16").png().toBuffer(),
      transparent: await sharp(plain).ensureAlpha(0.5).png().toBuffer(),
      webp: await sharp(plain).webp({ lossless: true }).toBuffer(),
      cmyk: await sharp(plain).toColourspace("cmyk").jpeg().toBuffer(),
    };
    for (const [name, file] of Object.entries(files)) {
      const pixels = await decoder(8).decode(file, CENTER);
      expect(pixels.length, name).to.equal(3 * 8 * 8);
      // A round trip through CMYK without a profile is not exact.
      pixels.forEach((value) => expect(value, name).to.be.closeTo(gray, name === "cmyk" ? 16 : 1));
    }
  });

  it('keeps the colors of transparent pixels, resized or not, as Pillow\'s convert("RGB") does', async () => {
    const color = { r: 200, g: 100, b: 50 };
    const image = (side: number, alpha: number): Sharp =>
      sharp({ create: { width: side, height: side, channels: 4, background: { ...color, alpha } } });
    for (const side of [8, 9, 40, 512]) {
      for (const alpha of [0, 0.5]) {
        const files = { png: image(side, alpha).png(), "16 bits": image(side, alpha).toColourspace("rgb16").png(),
          webp: image(side, alpha).webp({ lossless: true, exact: true }),
          tiff: image(side, alpha).tiff({ compression: "lzw" }) };
        for (const [name, file] of Object.entries(files)) {
          for (const crop of [CENTER, { kind: "random", seed: 0, epoch: 0, index: 3 } as const]) {
            const pixels = await decoder(8).decode(await file.toBuffer(), crop);
            expect([...pixels.subarray(0, 3)], `${name} ${side} ${alpha}`).to.deep.equal([200, 100, 50]);
          }
        }
      }
    }
  });

  it("keeps the color that a GIF's palette has for its transparent index", async () => {
    // 2×2 pixels of index 0, which is (200, 100, 50) and transparent; written by Pillow 13.
    const gif = Buffer.from("47494638396102000200810000c86432ffffff00000000000021f" +
      "90401000000002c0000000002000200000806000108041010003b", "hex");
    const { data } = await sharp(gif).raw().toBuffer({ resolveWithObject: true });
    expect([...data.subarray(0, 4)]).to.deep.equal([0, 0, 0, 0]);
    expect(at(await decoder(8).decode(gif, CENTER), 8, 0, 0)).to.deep.equal([200, 100, 50]);
  });

  it("accepts an image of a single pixel", async () => {
    for (const crop of [CENTER, { kind: "random", seed: 0, epoch: 0, index: 0 } as const]) {
      expect((await decoder(8).decode(await picture(1, 1).png().toBuffer(), crop)).length).to.equal(3 * 8 * 8);
    }
  });

  it("throws for data that are not an image, and for truncated images", async () => {
    const whole = await picture(64, 64, 5).jpeg().toBuffer();
    for (const bytes of [Buffer.from("no image"), Buffer.alloc(0), whole.subarray(0, whole.length / 2)]) {
      let threw = false;
      await decoder(8).decode(bytes, CENTER).catch(() => {
        threw = true;
      });
      expect(threw).to.equal(true);
    }
  });
});
