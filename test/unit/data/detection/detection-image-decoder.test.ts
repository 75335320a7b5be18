import { expect } from "chai";
import sharp from "sharp";
import { DetectionImageDecoder } from "../../../../lib/datasets/detection/detection-image-decoder.js";
import { failureOf } from "../../../support/errors.js";
import { gradient, picture } from "../../../support/image-files.js";

const IGNORE = new DetectionImageDecoder(sharp, { exif: "ignore" });
const ROTATE = new DetectionImageDecoder(sharp, { exif: "rotate" });
const sized = (width: number, height: number) => ({ path: "images/a.jpg", width, height });

describe("decoder of detection images", () => {
  it("returns the stored pixels row by row, bit for bit", async () => {
    const image = await IGNORE.decode(await picture(40, 30, 2).png().toBuffer(), sized(40, 30));
    expect([image.height, image.width]).to.deep.equal([30, 40]);
    expect(Buffer.from(image.pixels).equals(gradient(40, 30, 2))).to.equal(true);
  });

  /** Orientation 6: to be shown turned to the right by 90°. */
  const turned = (): Promise<Buffer> => picture(40, 30).withMetadata({ orientation: 6 }).png().toBuffer();

  it("does not rotate by EXIF data, for annotations count stored pixels", async () => {
    const { pixels } = await IGNORE.decode(await turned(), sized(40, 30));
    expect(Buffer.from(pixels).equals(gradient(40, 30))).to.equal(true);
  });

  it("rotates by EXIF data if it should", async () => {
    const { pixels, height, width } = await ROTATE.decode(await turned(), sized(30, 40));
    expect([height, width]).to.deep.equal([40, 30]);
    expect(Buffer.from(pixels).equals(await picture(40, 30).rotate(90).raw().toBuffer())).to.equal(true);
  });

  it("names both sizes if the annotations' differs, and EXIF if it accounts for it", async () => {
    const { message } = await failureOf("SHAPE_MISMATCH",
      async () => IGNORE.decode(await picture(40, 30).png().toBuffer(), sized(41, 30)));
    expect(message).to.equal(
      "invalid size of images/a.jpg: expected 41×30 (width × height) as annotated, received 40×30. " +
        "Use the image that was annotated, or correct its width and height in the annotations.",
    );
    expect((await failureOf("SHAPE_MISMATCH", async () => IGNORE.decode(await turned(), sized(30, 40)))).message).to
      .include('Its EXIF orientation accounts for it: use exif: "rotate".');
    expect((await failureOf("SHAPE_MISMATCH", async () => ROTATE.decode(await turned(), sized(40, 30)))).message).to
      .include('use exif: "ignore".');
  });

  it("converts grey, 16-bit, transparent and CMYK images to three channels", async () => {
    const gray = 119;
    const plain = { create: { width: 9, height: 5, channels: 3, background: { r: gray, g: gray, b: gray } } } as const;
    const files = {
      grey: await sharp(plain).toColourspace("b-w").png().toBuffer(),
      "16 bits": await sharp(plain).toColourspace("rgb16").png().toBuffer(),
      transparent: await sharp(plain).ensureAlpha(0.5).png().toBuffer(),
      cmyk: await sharp(plain).toColourspace("cmyk").jpeg().toBuffer(),
    };
    for (const [name, file] of Object.entries(files)) {
      const { pixels } = await IGNORE.decode(file, sized(9, 5));
      expect(pixels.length, name).to.equal(3 * 9 * 5);
      // A round trip through CMYK without a profile is not exact.
      pixels.forEach((value) => expect(value, name).to.be.closeTo(gray, name === "cmyk" ? 16 : 1));
    }
  });

  it("rejects data that are not an image, and truncated images", async () => {
    const whole = await picture(64, 64, 5).jpeg().toBuffer();
    for (const bytes of [Buffer.from("no image"), Buffer.alloc(0), whole.subarray(0, whole.length / 2)]) {
      const result = await IGNORE.decode(bytes, sized(64, 64)).then(() => "decoded", () => "rejected");
      expect(result).to.equal("rejected");
    }
  });
});
