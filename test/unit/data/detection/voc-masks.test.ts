import { expect } from "chai";
import sharp from "sharp";
import { decodeObjectMasks } from "../../../../lib/datasets/detection/voc/voc-masks.js";
import { masks, type ErrorCode } from "../../../../lib/index.js";
import { failureOf } from "../../../support/errors.js";
import { valuesOf } from "../../../support/numeric.js";
import { numberPng } from "../../../support/number-png.js";

// Two objects that touch, with a border of 255 around the second one.
const [WIDTH, HEIGHT] = [6, 4];
const NUMBERS = [
  [0, 1, 1, 0, 0, 0],
  [1, 1, 1, 255, 255, 255],
  [0, 1, 2, 2, 2, 255],
  [0, 0, 2, 2, 2, 255],
].flat();

const decode = (file: Buffer, more: object = {}): ReturnType<typeof decodeObjectMasks> =>
  decodeObjectMasks(sharp, file, { path: "masks/a.png", xml: "a.xml", width: WIDTH, height: HEIGHT, count: 2,
    ...more });

describe("masks of Pascal VOC", () => {
  it("are the pixels with the number of an object, as COCO's runs", async () => {
    const found = await decode(numberPng(NUMBERS, WIDTH, HEIGHT));
    for (const [index, mask] of found.entries()) {
      const rle = { size: [HEIGHT, WIDTH] as [number, number],
        counts: Buffer.from(mask!.characters).toString("latin1") };
      const expected = NUMBERS.map((number) => Number(number === index + 1));
      expect(valuesOf(await masks.decode(rle))).to.deep.equal(expected);
      expect(mask!.area).to.equal(expected.reduce((sum, value) => sum + value, 0)).and.equal(await masks.area(rle));
    }
  });

  it("are missing for an object without pixels", async () => {
    const found = await decode(numberPng(NUMBERS, WIDTH, HEIGHT), { count: 3 });
    expect(found.map((mask) => mask !== undefined)).to.deep.equal([true, true, false]);
  });

  it("may fill the image", async () => {
    const [whole] = await decode(numberPng(new Array<number>(4).fill(1), 2, 2), { width: 2, height: 2, count: 1 });
    expect(whole!.area).to.equal(4);
    expect(Buffer.from(whole!.characters).toString("latin1")).to.equal(
      (await masks.compress({ size: [2, 2], counts: [0, 4] })).counts,
    );
  });

  const WRONG: readonly (readonly [what: string, code: ErrorCode, file: Buffer, more: object, says: string])[] = [
    ["another size than the annotation's", "FILE_CORRUPT", numberPng(NUMBERS, WIDTH, HEIGHT), { height: 5 },
      "invalid size of masks/a.png: expected 6×5 (width × height) as in a.xml, received 6×4."],
    ["a number without an object", "FILE_CORRUPT", numberPng(NUMBERS, WIDTH, HEIGHT), { count: 1 },
      "expected the numbers of the 1 objects in a.xml, or 255 between them, received 2."],
    ["a file that is no PNG", "FILE_UNSUPPORTED", Buffer.from("x"), {}, "received another format."],
    ["pixels that are cut off", "FILE_CORRUPT", numberPng(NUMBERS.slice(0, 6), WIDTH, HEIGHT), {},
      "cannot decode the masks masks/a.png"],
    ["a billion pixels", "FILE_UNSUPPORTED", numberPng([], 40_000, 40_000), { width: 40_000, height: 40_000 },
      "expected at most 67108864 pixels"],
  ];

  for (const [what, code, file, more, says] of WRONG) {
    it(`refuse ${what}`, async () => {
      const { message } = await failureOf(code, () => decode(file, more));
      expect(message).to.include(says).and.match(/\.$/);
    });
  }
});
