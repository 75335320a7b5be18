import { expect } from "chai";
import { masks, Tensor, type ErrorCode, type Rle } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";

/** Rows 0 1 1 0, 0 1 0 0 and 0 1 0 1: runs of 3, 4, 4 and 1, column by column. */
const PIXELS = Uint8Array.of(0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 0, 1);
const TEXT: Rle = { size: [3, 4], counts: "344M" };
const RUNS: Rle = { size: [3, 4], counts: [3, 4, 4, 1] };

describe("masks", () => {
  it("are encoded and decoded", async () => {
    const pixels = Tensor.from(PIXELS, [3, 4]);
    expect(await masks.encode(pixels)).to.deep.equal(TEXT);
    expect(await masks.encode(pixels, { compressed: false })).to.deep.equal(RUNS);
    const decoded = await masks.decode(TEXT);
    expect([decoded.dtype, decoded.shape]).to.deep.equal(["uint8", [3, 4]]);
    expect(decoded.toTypedArray()).to.deep.equal(PIXELS);
  });

  it("are converted between both forms", async () => {
    expect(await masks.compress(RUNS)).to.deep.equal(TEXT);
    expect(await masks.compress(TEXT)).to.deep.equal(TEXT);
    expect(await masks.decompress(TEXT)).to.deep.equal(RUNS);
  });

  it("are measured in both forms", async () => {
    for (const mask of [TEXT, RUNS]) {
      expect(await masks.area(mask)).to.equal(5);
      expect(await masks.toBox(mask)).to.deep.equal([1, 0, 3, 3]);
    }
  });

  it("are made of polygons and boxes", async () => {
    const square = await masks.fromPolygons([[0, 0, 2, 0, 2, 2, 0, 2]], 3, 3);
    expect(await masks.decompress(square)).to.deep.equal({ size: [3, 3], counts: [0, 2, 1, 2, 4] });
    expect(await masks.fromBox([0, 0, 2, 2], 3, 3)).to.deep.equal(square);
  });

  it("are merged and compared", async () => {
    const [left, middle] = [await masks.fromBox([0, 0, 2, 4], 4, 4), await masks.fromBox([1, 0, 2, 4], 4, 4)];
    expect(await masks.area(await masks.merge([left, middle]))).to.equal(12);
    expect(await masks.area(await masks.merge([left, middle], { intersect: true }))).to.equal(4);
    const overlaps = await masks.iou([left], [middle, middle], [false, true]);
    expect([overlaps.dtype, overlaps.shape]).to.deep.equal(["float64", [1, 2]]);
    expect(overlaps.toTypedArray()).to.deep.equal(Float64Array.of(4 / 12, 4 / 8));
    const boxes = Tensor.from(Float32Array.of(0, 0, 2, 4), [1, 4]);
    const ofBoxes = await masks.boxIou(boxes, Tensor.from(Float32Array.of(1, 0, 2, 4), [1, 4]), [true]);
    expect(ofBoxes.dtype).to.equal("float32");
    expect(ofBoxes.toTypedArray()).to.deep.equal(Float32Array.of(0.5));
  });

  it("may be compared with none", async () => {
    expect((await masks.iou([], [TEXT], [false])).shape).to.deep.equal([0, 1]);
    expect((await masks.boxIou(Tensor.from(new Float64Array(0), [0, 4]), Tensor.from(new Float64Array(4), [1, 4]), [
      false,
    ])).shape).to.deep.equal([0, 1]);
  });

  const gigantic: Rle = { size: [30_000, 30_000], counts: [900_000_000] };

  it("of any size are measured without their pixels", async () => {
    expect(await masks.area(gigantic)).to.equal(0);
    expect(await masks.area(await masks.merge([gigantic, { ...gigantic, counts: [0, 900_000_000] }]))).to.equal(9e8);
  });

  const bad = (value: unknown): Rle => value as Rle;
  const refusals: [what: string, code: ErrorCode, message: string, act: () => Promise<unknown>][] = [
    ["too large to decode", "INVALID_ARGUMENT", "at most 2^28 pixels", () => masks.decode(gigantic)],
    ["sizes of 10^9", "INVALID_ARGUMENT", "fewer than 2^31 pixels",
      () => masks.decode({ size: [1e9, 1e9], counts: [1e18] })],
    ["a negative size", "INVALID_ARGUMENT", "invalid size of mask",
      () => masks.area({ size: [-3, 4], counts: "344M" })],
    ["a size that is not whole", "INVALID_ARGUMENT", "expected a whole number",
      () => masks.area({ size: [2.5, 4], counts: "344M" })],
    ["a size that is no list", "INVALID_ARGUMENT", "expected [height, width], received nothing",
      () => masks.area(bad({ counts: "344M" }))],
    ["no mask", "INVALID_ARGUMENT", "invalid size of mask", () => masks.area(bad(null))],
    ["runs longer than the image", "INVALID_ARGUMENT", "received more",
      () => masks.area({ size: [3, 4], counts: [3, 4, 4, 2] })],
    ["runs shorter than the image", "INVALID_ARGUMENT", "received fewer",
      () => masks.area({ size: [3, 4], counts: "344" })],
    ["negative runs", "INVALID_ARGUMENT", "whole numbers from 0",
      () => masks.area({ size: [3, 4], counts: [5, -1, 8] })],
    ["runs that are not whole", "INVALID_ARGUMENT", "whole numbers from 0",
      () => masks.area({ size: [3, 4], counts: [11.5, 0.5] })],
    ["runs that are no numbers", "INVALID_ARGUMENT", 'invalid counts of mask[1]: expected a number, received "4".',
      () => masks.area(bad({ size: [3, 4], counts: [3, "4", 4, 1] }))],
    ["other characters", "INVALID_ARGUMENT", 'characters from "0" to "o"',
      () => masks.area({ size: [3, 4], counts: "344M é" })],
    ["a truncated string", "INVALID_ARGUMENT", "ends within a number",
      () => masks.area({ size: [3, 4], counts: "344m" })],
    ["polygons of two points", "INVALID_ARGUMENT", "at least 6 numbers",
      () => masks.fromPolygons([[0, 0, 1, 1]], 3, 3)],
    ["polygons of an odd count", "INVALID_ARGUMENT", "an even count",
      () => masks.fromPolygons([[0, 0, 1, 1, 2, 2, 3]], 3, 3)],
    ["coordinates that are not numbers", "INVALID_ARGUMENT", "finite coordinates",
      () => masks.fromPolygons([[0, 0, NaN, 1, 2, 2]], 3, 3)],
    ["no polygons", "INVALID_ARGUMENT", "at least one polygon", () => masks.fromPolygons([], 3, 3)],
    ["a box of three numbers", "INVALID_ARGUMENT", "expected four numbers", () => masks.fromBox([0, 0, 1], 3, 3)],
    ["nothing to merge", "INVALID_ARGUMENT", "at least one", () => masks.merge([])],
    ["masks of other sizes to merge", "SHAPE_MISMATCH", "equal sizes", () => masks.merge([TEXT, gigantic])],
    ["masks of other sizes to compare", "SHAPE_MISMATCH", "equal sizes", () => masks.iou([TEXT], [gigantic], [false])],
    ["a damaged mask of a list", "INVALID_ARGUMENT", "invalid truths[1]",
      () => masks.iou([], [TEXT, { size: [3, 4], counts: "3" }], [false, false])],
    ["crowds of another length", "SHAPE_MISMATCH", "invalid crowd", () => masks.iou([TEXT], [TEXT], [])],
    ["boxes of another shape", "SHAPE_MISMATCH", "[N, 4]",
      () => masks.boxIou(Tensor.from(new Float64Array(6), [2, 3]), Tensor.from(new Float64Array(4), [1, 4]), [false])],
    ["boxes of integers", "DTYPE_MISMATCH", "floating-point",
      () => masks.boxIou(Tensor.from(new Int32Array(4), [1, 4]), Tensor.from(new Float64Array(4), [1, 4]), [false])],
    ["pixels of another type", "DTYPE_MISMATCH", "uint8", () => masks.encode(Tensor.from([0.5], [1, 1]))],
    ["pixels of three dimensions", "SHAPE_MISMATCH", "[height, width]",
      () => masks.encode(Tensor.from(new Uint8Array(4), [1, 2, 2]))],
    ["pixels that are no tensor", "INVALID_ARGUMENT", "expected a Tensor",
      () => masks.encode(PIXELS as unknown as Tensor)],
  ];
  for (const [what, code, message, act] of refusals) {
    it(`refuse ${what}`, async () => {
      expect((await failureOf(code, act)).message).to.contain(message);
    });
  }
});
