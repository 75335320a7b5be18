import { crc32 } from "node:zlib";
import { expect } from "chai";
import sharp from "sharp";
import { readNumberPng } from "../../../../lib/datasets/detection/voc/palette-png.js";
import { gradient } from "../../../support/image-files.js";
import { numberPng } from "../../../support/number-png.js";

/** The pixels that sharp decodes from the grey image. */
async function decoded(file: Buffer): Promise<number[]> {
  const png = readNumberPng(file);
  if (typeof png === "string") throw new Error(png);
  return [...await sharp(png.grey).extractChannel(0).raw().toBuffer()];
}

describe("PNGs of numbers", () => {
  it("are decoded as numbers, whatever colors their palette has", async () => {
    const numbers = [0, 1, 2, 3, 4, 255];
    // All colors are the same: the number cannot be found from them.
    expect(await decoded(numberPng(numbers, 3, 2, { palette: Buffer.alloc(768) }))).to.deep.equal(numbers);
    expect(await decoded(numberPng(numbers, 3, 2))).to.deep.equal(numbers);
  });

  it("may be grey", async () => {
    expect(await decoded(numberPng([7, 0, 255], 3, 1, { color: 0 }))).to.deep.equal([7, 0, 255]);
  });

  it("have their size and depth", () => {
    expect(readNumberPng(numberPng(new Array<number>(10).fill(1), 5, 2))).to.include({ width: 5, height: 2, depth: 8 });
  });

  it("say what else a file is", async () => {
    const colors = await sharp(gradient(4, 3), { raw: { width: 4, height: 3, channels: 3 } }).png().toBuffer();
    const whole = numberPng([1, 2], 2, 1);
    for (const [file, received] of [
      [colors, "a PNG of colors"],
      [Buffer.from("GIF89a"), "another format"],
      [Buffer.alloc(0), "another format"],
      [whole.subarray(0, 20), "a damaged PNG"],
      [numberPng([1, 2], 2, 1, { depth: 16 }), "a PNG of colors"],
    ] as const) expect(readNumberPng(file)).to.equal(received);
  });

  it("cannot be made to read beyond the file", () => {
    const file = Buffer.from(numberPng([1, 2], 2, 1));
    file.writeUInt32BE(0xffffffff, 33); // the length of the chunk after the header
    const png = readNumberPng(file);
    expect(typeof png === "string" ? png : png.grey.length).to.equal(8 + 25);
  });

  it("carry a valid checksum", () => {
    const png = readNumberPng(numberPng([1, 2], 2, 1));
    if (typeof png === "string") throw new Error(png);
    expect(png.grey.readUInt32BE(29)).to.equal(crc32(png.grey.subarray(12, 29)));
  });
});
