// Results that a caller without types may pass: each has its error, and takes no more memory than its values.
import { expect } from "chai";
import { evaluateDetections, masks, type CocoEvaluation, type EvaluateDetectionsOptions } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";

const MIB = 2 ** 20;
const HEIGHT = 20;
const WIDTH = 30;
const GROUND_TRUTH = {
  images: [{ id: 1, height: HEIGHT, width: WIDTH }, { id: 2, height: HEIGHT, width: WIDTH }],
  categories: [{ id: 7 }],
  annotations: [{ id: 1, image_id: 1, category_id: 7, bbox: [2, 2, 10, 10], area: 100, iscrowd: 0,
    segmentation: [[2, 2, 12, 2, 12, 12, 2, 12]] }],
};
const FOUND = { image_id: 1, category_id: 7, bbox: [2, 2, 10, 10], score: 0.5 };

const evaluate = (detections: unknown, kind: "bbox" | "segm" = "bbox"): Promise<CocoEvaluation> =>
  evaluateDetections({ groundTruth: GROUND_TRUTH, kind, metric: "coco",
    detections: detections as EvaluateDetectionsOptions["detections"] });
const evaluateMask = (segmentation: unknown) => evaluate([{ ...FOUND, bbox: undefined, segmentation }], "segm");
const rle = (counts: unknown, size: unknown = [HEIGHT, WIDTH]) => ({ size, counts });

/** An array with this number of elements and nothing in it. */
const holes = (length: number): unknown[] => {
  const list: unknown[] = [];
  list.length = length;
  return list;
};

const FIELDS: readonly (readonly [field: string, values: readonly unknown[]])[] = [
  ["score", [NaN, Infinity, -Infinity, "0.5", null, undefined, true, {}, [0.5], 1n]],
  ["image_id", [0, 3, -1, 1.5, NaN, "1", null, undefined, 2 ** 53, {}, [1]]],
  ["category_id", [0, 8, -7, 7.5, NaN, "7", null, undefined, { valueOf: () => 7 }]],
  ["bbox", [5, "2,2,10,10", {}, [2, 2, 10], [2, 2, 10, 10, 1], [2, 2, -1, 10], [2, NaN, 10, 10], [2, 2, Infinity, 10], [
    2,
    2,
    1e300,
    1e300,
  ], ["2", 2, 10, 10], [[2], 2, 10, 10], holes(4), [null, 2, 10, 10]]],
];

const MASKS: readonly (readonly [what: string, segmentation: unknown])[] = [
  ["runs longer than the image", rle([0, HEIGHT * WIDTH + 1])],
  ["runs far longer than the image", rle([0, 2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1])],
  ["runs shorter than the image", rle([5])],
  ["no runs", rle([])],
  ["negative runs", rle([-5, HEIGHT * WIDTH + 5])],
  ["runs of a half", rle([0.5, HEIGHT * WIDTH - 0.5])],
  ["runs that are no numbers", rle([NaN, HEIGHT * WIDTH])],
  ["runs without end", rle([0, Infinity])],
  ["a million empty runs", rle(Array(1e6).fill(0))],
  ["holes instead of runs", rle(holes(5))],
  ["a string longer than the image", rle("0".repeat(1e6))],
  ["a string of a number without end", rle("o".repeat(1e6))],
  ["a string that ends within a number", rle("0o")],
  ["an empty string", rle("")],
  ["a string of other characters", rle("\0\u{1f600}")],
  ["a transposed size", rle([HEIGHT * WIDTH], [WIDTH, HEIGHT])],
  ["a gigantic size", rle([1e18], [1e9, 1e9])],
  ["a negative size", rle([HEIGHT * WIDTH], [-HEIGHT, -WIDTH])],
  ["a size of text", rle([HEIGHT * WIDTH], ["20", "30"])],
  ["no size", { counts: [HEIGHT * WIDTH] }],
  ["no counts", { size: [HEIGHT, WIDTH] }],
  ["counts that are an object", rle({ 0: 600, length: 1 })],
  ["text", "0600"],
  ["a polygon of one number", [[1]]],
  ["a polygon without numbers", [[]]],
  ["a polygon far away", [[0, 0, 1e12, 0, 1e12, 1e12]]],
  ["a polygon that runs to and fro without end", [Array.from({ length: 1e5 }, (_, i) => (i % 4 < 2 ? 0 : 1e5))]],
  ["a polygon of NaN", [[0, 0, NaN, 5, 5, 5]]],
  ["a polygon of holes", [holes(6)]],
  ["a polygon in a polygon", [[[1, 1, 5, 1, 5, 5]]]],
];

describe("results of any origin", () => {
  for (const [field, values] of FIELDS) {
    it(`are refused with another ${field} than there may be`, async () => {
      for (const value of values) {
        const { message } = await failureOf("INVALID_ARGUMENT", () => evaluate([FOUND, { ...FOUND, [field]: value }]));
        expect(message).to.match(new RegExp(`^invalid detections\\[1\\]\\.${field}: expected .*, received .*\\.`));
        expect(message.length, message).to.be.below(400);
      }
    });
  }

  for (const [what, segmentation] of MASKS) {
    it(`are refused with masks of ${what}`, async () => {
      const before = process.resourceUsage().maxRSS;
      const { message } = await failureOf("INVALID_ARGUMENT", () => evaluateMask(segmentation));
      expect(message).to.match(/^invalid (size of )?detections\[0\]\.segmentation/);
      expect(message.length, message).to.be.below(400);
      // A million numbers take 8 MB, in JavaScript and again in the columns.
      expect(1024 * (process.resourceUsage().maxRSS - before)).to.be.below(100 * MIB);
    });
  }

  it("are refused unless they are a list of objects", async () => {
    for (const wrong of [null, undefined, 5, {}, new Map(), new Float64Array(4), { length: 1, 0: FOUND }])
      await failureOf("INVALID_ARGUMENT", () => evaluate(wrong));
    for (const wrong of [[null], [[]], [FOUND, undefined], holes(3), ["{}"], [[FOUND]]])
      await failureOf("INVALID_ARGUMENT", () => evaluate(wrong));
  });

  it("may be a million of one image, of which the best hundred of a category count", async () => {
    const count = 1e6;
    // The first one has the highest score, the last ones are right, too, but beyond the hundredth.
    const detections = Array.from({ length: count },
      (_, index) => ({ ...FOUND, score: 1 - index / count,
        bbox: index === 0 || index >= 100 ? FOUND.bbox : [15, 12, 5, 5] }));
    const { stats } = await evaluate(detections);
    expect([stats.ar1, stats.ar100]).to.deep.equal([1, 1]);
    detections[0] = { ...FOUND, score: 1, bbox: [15, 12, 5, 5] };
    expect((await evaluate(detections)).stats.ar100).to.equal(0);
  });

  it("may have a hundred thousand masks of one image", async () => {
    const { counts, size } = await masks.fromBox([2, 2, 10, 10], HEIGHT, WIDTH);
    const detections = Array.from({ length: 1e5 },
      (_, index) => ({ image_id: 1, category_id: 7, score: index, segmentation: { size, counts } }));
    expect((await evaluate(detections, "segm")).stats.ar1).to.equal(1);
  });
});
