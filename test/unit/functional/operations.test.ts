import { expect } from "chai";
import { functional, masks, Tensor } from "../../../lib/index.js";
import { boxTensor } from "../../support/detectors.js";
import { sequence, sequenceTensor } from "../../support/deterministic.js";
import { failureOf } from "../../support/errors.js";
import { expectAllNear, expectNear, gradientOf, sumOf, valuesOf } from "../../support/numeric.js";

// A few operations in float64, which round to 1e-16 each.
const EXACT = 1e-12;
// Central differences with a step of 1e-6: 1e-16 of rounding by the step, and its square.
const DIFFERENCES = 1e-7;

const vector = (...values: number[]): Tensor => Tensor.from(Float64Array.from(values), [values.length]);
const integers = (...values: number[]): Tensor => Tensor.from(BigInt64Array.from(values, BigInt), [values.length]);
const like = (tensor: Tensor, values: Float64Array): Tensor => Tensor.from(values, tensor.shape);

describe("boxIou", () => {
  it("is the shared area over the covered one", async () => {
    const iou = await functional.boxIou(boxTensor([[0, 0, 4, 2]]),
      boxTensor([[0, 0, 4, 2], [2, 0, 6, 2], [4, 0, 8, 2], [1, 0, 2, 2]]));
    expect(iou.shape).to.deep.equal([1, 4]);
    expectAllNear(valuesOf(iou), [1, 4 / 12, 0, 2 / 8], EXACT, "IoU");
  });

  it("is a matrix without rows or columns if there are no boxes", async () => {
    const [none, one] = [boxTensor([]), boxTensor([[0, 0, 1, 1]])];
    expect((await functional.boxIou(none, one)).shape).to.deep.equal([0, 1]);
    expect((await functional.boxIou(one, none)).shape).to.deep.equal([1, 0]);
  });

  it("is undefined between boxes without an area", async () => {
    const [value] = valuesOf(await functional.boxIou(boxTensor([[1, 1, 1, 1]]), boxTensor([[2, 2, 2, 2]])));
    expect(value).to.be.NaN;
  });

  it("keeps the type of the boxes", async () => {
    const boxes = Tensor.from(Float32Array.of(0, 0, 2, 2), [1, 4]);
    expect((await functional.boxIou(boxes, boxes)).dtype).to.equal("float32");
  });

  it("refuses other shapes, types and values", async () => {
    const boxes = boxTensor([[0, 0, 1, 1]]);
    await failureOf("SHAPE_MISMATCH", async () => functional.boxIou(boxes, vector(0, 0, 1, 1)));
    await failureOf("SHAPE_MISMATCH", async () => functional.boxIou(sequenceTensor("five", [1, 5]), boxes));
    await failureOf("DTYPE_MISMATCH",
      async () => functional.boxIou(boxes, Tensor.from(Float32Array.of(0, 0, 1, 1), [1, 4])));
    await failureOf("INVALID_ARGUMENT", async () => functional.boxIou(boxes, [[0, 0, 1, 1]] as unknown as Tensor));
    await failureOf("INVALID_ARGUMENT", async () => functional.boxIou(boxes, null as unknown as Tensor));
  });

  it("refuses boxes that were disposed", async () => {
    const boxes = boxTensor([[0, 0, 1, 1]]);
    boxes.dispose();
    await failureOf("DISPOSED", async () => functional.boxIou(boxes, boxes));
  });
});

describe("generalizedBoxIou", () => {
  it("falls below 0 with the distance of boxes", async () => {
    // Of the enclosing 3×1 the two unit squares leave one third.
    const values = valuesOf(
      await functional.generalizedBoxIou(boxTensor([[0, 0, 1, 1]]), boxTensor([[0, 0, 1, 1], [2, 0, 3, 1]])),
    );
    expectAllNear(values, [1, -1 / 3], EXACT, "generalized IoU");
  });
});

describe("boxes in an image", () => {
  const boxes = boxTensor([[-3, 1, 5, 20], [2, 2, 2.5, 6]]);

  it("have an area", async () => {
    expectAllNear(valuesOf(await functional.boxArea(boxes)), [152, 2], EXACT, "areas");
  });

  it("are clipped to its height and width", async () => {
    expect(valuesOf(await functional.clipBoxes(boxes, [10, 4]))).to.deep.equal([0, 1, 4, 10, 2, 2, 2.5, 6]);
  });

  it("are kept if both sides are as long as asked", async () => {
    expect(valuesOf(await functional.removeSmallBoxes(boxes, 0.5))).to.deep.equal([0, 1]);
    expect(valuesOf(await functional.removeSmallBoxes(boxes, 0.51))).to.deep.equal([0]);
  });

  it("need a size of whole pixels, and a length that is not negative", async () => {
    await failureOf("INVALID_ARGUMENT", async () => functional.clipBoxes(boxes, [0, 4]));
    await failureOf("INVALID_ARGUMENT", async () => functional.clipBoxes(boxes, [1.5, 4]));
    await failureOf("INVALID_ARGUMENT", async () => functional.removeSmallBoxes(boxes, -1));
    await failureOf("INVALID_ARGUMENT", async () => functional.removeSmallBoxes(boxes, Number.NaN));
  });
});

describe("encodeBoxes", () => {
  const proposals = boxTensor([[0, 0, 10, 20]]);

  it("measures the move of the center in sides, and the growth as a logarithm, times the weights", async () => {
    const deltas = valuesOf(await functional.encodeBoxes(boxTensor([[5, 0, 25, 20]]), proposals, [10, 10, 5, 5]));
    expectAllNear(deltas, [10, 0, 5 * Math.LN2, 0], EXACT, "deltas");
  });

  it("is undone by decodeBoxes, for each class", async () => {
    const reference = boxTensor([[3, 4, 9, 30]]);
    const [one, other] = [await functional.encodeBoxes(reference, proposals, [10, 10, 5, 5]),
      await functional.encodeBoxes(proposals, proposals, [10, 10, 5, 5])];
    const both = Tensor.from(Float64Array.of(...valuesOf(one), ...valuesOf(other)), [1, 8]);
    const decoded = valuesOf(await functional.decodeBoxes(both, proposals, [10, 10, 5, 5]));
    expectAllNear(decoded, [3, 4, 9, 30, 0, 0, 10, 20], EXACT, "boxes");
  });

  it("lets a side grow by at most 1000 / 16", async () => {
    const decoded = valuesOf(
      await functional.decodeBoxes(vectors([0, 0, 50, 50]), boxTensor([[0, 0, 16, 16]]), [1, 1, 1, 1]),
    );
    expectAllNear(decoded, [-492, -492, 508, 508], EXACT, "boxes");
  });

  it("refuses lists of different lengths, and weights of 0", async () => {
    await failureOf("SHAPE_MISMATCH", async () => functional.encodeBoxes(boxTensor([]), proposals, [1, 1, 1, 1]));
    await failureOf("SHAPE_MISMATCH", async () => functional.decodeBoxes(vectors([0, 0, 0]), proposals, [1, 1, 1, 1]));
    await failureOf("INVALID_ARGUMENT", async () => functional.encodeBoxes(proposals, proposals, [1, 0, 1, 1]));
    await failureOf("INVALID_ARGUMENT",
      async () =>
        functional.encodeBoxes(proposals, proposals, [1, 1, 1] as unknown as [number, number, number, number]));
  });

  const vectors = (...rows: number[][]): Tensor =>
    Tensor.from(Float64Array.from(rows.flat()), [rows.length, rows[0]!.length]);
});

describe("nms", () => {
  // The second box shares half of the union with the first.
  const boxes = boxTensor([[0, 0, 2, 2], [0, 0, 2, 1], [5, 5, 6, 6]]);

  it("keeps a box whose overlap equals the threshold, and orders by falling score", async () => {
    const scores = vector(0.5, 0.4, 0.9);
    expect(valuesOf(await functional.nms(boxes, scores, 0.5))).to.deep.equal([2, 0, 1]);
    expect(valuesOf(await functional.nms(boxes, scores, 0.49))).to.deep.equal([2, 0]);
  });

  it("keeps the order of equal scores", async () => {
    const kept = await functional.nms(boxes, vector(0.5, 0.5, 0.5), 1);
    expect(kept.dtype).to.equal("int64");
    expect(valuesOf(kept)).to.deep.equal([0, 1, 2]);
  });

  it("lets boxes of other classes be", async () => {
    const scores = vector(0.5, 0.4, 0.9);
    expect(valuesOf(await functional.batchedNms(boxes, scores, integers(1, 2, 1), 0))).to.deep.equal([2, 0, 1]);
    expect(valuesOf(await functional.batchedNms(boxes, scores, integers(1, 1, 2), 0))).to.deep.equal([2, 0]);
  });

  it("keeps nothing of nothing", async () => {
    expect((await functional.nms(boxTensor([]), vector(), 0.5)).shape).to.deep.equal([0]);
  });

  it("refuses a threshold beyond 0 to 1, and scores or classes of another number or type", async () => {
    const scores = vector(1, 2, 3);
    await failureOf("INVALID_ARGUMENT", async () => functional.nms(boxes, scores, 1.01));
    await failureOf("INVALID_ARGUMENT", async () => functional.nms(boxes, scores, Number.NaN));
    await failureOf("SHAPE_MISMATCH", async () => functional.nms(boxes, vector(1, 2), 0.5));
    await failureOf("SHAPE_MISMATCH", async () => functional.batchedNms(boxes, scores, integers(1), 0.5));
    await failureOf("DTYPE_MISMATCH", async () => functional.batchedNms(boxes, scores, scores, 0.5));
  });
});

describe("roiAlign", () => {
  const options = { outputSize: [2, 2], spatialScale: 0.5, samplingRatio: 2, aligned: true } as const;
  const input = sequenceTensor("map", [2, 2, 5, 6]);
  const rois = Tensor.from(Float64Array.of(0, 1.5, 2, 7.25, 8, 1, 0, 0, 11.5, 3.25), [2, 5]);

  it("averages the pixels of a cell", async () => {
    // One sample in the middle of each cell of 2×2 pixels, whose centers lie at 0: the mean of the four.
    const map = Tensor.from(Float64Array.from({ length: 16 }, (_, i) => i), [1, 1, 4, 4]);
    const output = await functional.roiAlign(map, Tensor.from(Float64Array.of(0, 0, 0, 4, 4), [1, 5]), {
      outputSize: [2, 2],
      spatialScale: 1,
      samplingRatio: 1,
      aligned: true,
    });
    expect(output.shape).to.deep.equal([1, 1, 2, 2]);
    expectAllNear(valuesOf(output), [2.5, 4.5, 10.5, 12.5], EXACT, "cells");
  });

  for (const [samplingRatio, aligned] of [[2, true], [2, false], [0, true], [0, false]] as const) {
    it(`has the gradient of its output with ${samplingRatio || "adaptive"} samples, ${aligned ? "" : "not "}aligned`, async () => {
      const choice = { ...options, samplingRatio, aligned };
      const gradientOfOutput = sequenceTensor("gradient", [2, 2, 2, 2]);
      const { output, gradients } = await functional.roiAlign(input, rois, { ...choice, gradientOfOutput });
      expect(valuesOf(output)).to.deep.equal(valuesOf(await functional.roiAlign(input, rois, choice)));
      const weights = valuesOf(gradientOfOutput);
      const numeric = await gradientOf(
        async (values) =>
          sumOf(
            valuesOf(await functional.roiAlign(like(input, values), rois, choice)).map((value, i) =>
              value * weights[i]!
            ),
          ),
        valuesOf(input),
      );
      expectAllNear(valuesOf(gradients.input), numeric, DIFFERENCES, "gradient");
    });
  }

  it("refuses an image that is not there, and regions or gradients of another shape", async () => {
    const missing = Tensor.from(Float64Array.of(2, 0, 0, 1, 1), [1, 5]);
    await failureOf("INVALID_ARGUMENT", async () => functional.roiAlign(input, missing, options));
    await failureOf("INVALID_ARGUMENT",
      async () => functional.roiAlign(input, Tensor.from(Float64Array.of(Number.NaN, 0, 0, 1, 1), [1, 5]), options));
    await failureOf("SHAPE_MISMATCH", async () => functional.roiAlign(input, boxTensor([[0, 0, 1, 1]]), options));
    await failureOf("SHAPE_MISMATCH",
      async () => functional.roiAlign(input, rois, { ...options, gradientOfOutput: vector(1) }));
    await failureOf("INVALID_ARGUMENT", async () => functional.roiAlign(input, rois, { ...options, spatialScale: 0 }));
    await failureOf("INVALID_ARGUMENT",
      async () => functional.roiAlign(input, rois, { ...options, samplingRatio: -1 }));
  });
});

describe("losses of boxes and logits", () => {
  const boxes = boxTensor([[0, 0, 4, 4], [1, 1, 3, 6]]);
  // No side equals one of the boxes: there the loss has a kink.
  const targets = boxTensor([[1, 0.5, 5, 4.25], [8, 8, 9, 9]]);

  it("have each value without reduction, their sum and their mean", async () => {
    const input = vector(0.5, -3);
    const all = await functional.smoothL1Loss(input, vector(0, 0), { beta: 1, reduction: "none" });
    expectAllNear(valuesOf(all), [0.125, 2.5], EXACT, "values");
    expectNear(await functional.smoothL1Loss(input, vector(0, 0), { reduction: "sum" }), 2.625, EXACT, "sum");
    expectNear(await functional.smoothL1Loss(input, vector(0, 0), { reduction: "mean" }), 1.3125, EXACT, "mean");
    expectNear(await functional.smoothL1Loss(input, vector(0, 0), { beta: 0, reduction: "sum" }), 3.5, EXACT, "L1");
  });

  it("weigh a hard example more than an easy one", async () => {
    // Both targets have a probability of ½: 0.25 · ½² · ln 2 and 0.75 · ½² · ln 2.
    const values = valuesOf(await functional.sigmoidFocalLoss(vector(0, 0), vector(1, 0), { reduction: "none" }));
    expectAllNear(values, [Math.LN2 / 16, 3 * Math.LN2 / 16], EXACT, "focal loss");
    const plain = await functional.sigmoidFocalLoss(vector(0, 0), vector(1, 0), { alpha: -1, gamma: 0,
      reduction: "mean" });
    expectNear(plain, Math.LN2, EXACT, "cross entropy");
  });

  it("are 0 for a box that is right, and beyond 1 for one that is far", async () => {
    const values = valuesOf(
      await functional.generalizedBoxIouLoss(boxes, boxTensor([[0, 0, 4, 4], [8, 8, 9, 9]]), { reduction: "none",
        eps: 0 }),
    );
    expectNear(values[0]!, 0, EXACT, "equal boxes", 1);
    // Of the enclosing 8×8, 64 - 10 - 1 belong to neither.
    expectNear(values[1]!, 1 + 53 / 64, EXACT, "far boxes");
  });

  for (const reduction of ["sum", "mean", "none"] as const) {
    it(`have gradients with reduction ${reduction}`, async () => {
      const gradientOfOutput = reduction === "none" ? vector(2, -1.5) : 1.5;
      const weights = reduction === "none" ? [2, -1.5] : [1.5];
      const dot = (output: Tensor | number): number =>
        sumOf((typeof output === "number" ? [output] : valuesOf(output)).map((value, i) => value * weights[i]!));

      const giou = await functional.generalizedBoxIouLoss(boxes, targets, { reduction, gradientOfOutput });
      expectAllNear(valuesOf(giou.gradients.boxes), await gradientOf(async (values) =>
        dot(await functional.generalizedBoxIouLoss(like(boxes, values), targets, { reduction })), valuesOf(boxes)),
        DIFFERENCES, "generalized IoU");

      const [logits, wanted] = [vector(0.3, -1.2), vector(1, 0)];
      const focal = await functional.sigmoidFocalLoss(logits, wanted, { reduction, gradientOfOutput });
      expectAllNear(valuesOf(focal.gradients.logits), await gradientOf(async (values) =>
        dot(await functional.sigmoidFocalLoss(like(logits, values), wanted, { reduction })), valuesOf(logits)),
        DIFFERENCES, "focal loss");

      const [input, target] = [vector(0.4, 2), vector(0, -1)];
      const smooth = await functional.smoothL1Loss(input, target, { beta: 0.5, reduction, gradientOfOutput });
      expectAllNear(valuesOf(smooth.gradients.input), await gradientOf(async (values) =>
        dot(await functional.smoothL1Loss(like(input, values), target, { beta: 0.5, reduction })), valuesOf(input)),
        DIFFERENCES, "smooth L1");
    });
  }

  it("refuse another shape, an unknown reduction, an alpha beyond 1 and options that do not exist", async () => {
    const [input, target] = [vector(1, 2), vector(1, 0)];
    await failureOf("SHAPE_MISMATCH", async () => functional.smoothL1Loss(input, vector(1), { reduction: "sum" }));
    await failureOf("SHAPE_MISMATCH", async () => functional.sigmoidFocalLoss(input, vector(1), { reduction: "sum" }));
    await failureOf("SHAPE_MISMATCH",
      async () => functional.generalizedBoxIouLoss(boxes, boxTensor([]), { reduction: "sum" }));
    await failureOf("INVALID_ARGUMENT",
      async () => functional.smoothL1Loss(input, target, { reduction: "all" } as unknown as { reduction: "sum" }));
    await failureOf("INVALID_ARGUMENT",
      async () => functional.sigmoidFocalLoss(input, target, { alpha: 1.5, reduction: "sum" }));
    await failureOf("INVALID_ARGUMENT",
      async () =>
        functional.smoothL1Loss(input, target, { sigma: 1, reduction: "sum" } as unknown as { reduction: "sum" }));
    await failureOf("INVALID_ARGUMENT",
      async () =>
        functional.smoothL1Loss(input, target, { reduction: "sum", gradientOfOutput: "1" as unknown as number }));
    await failureOf("SHAPE_MISMATCH",
      async () => functional.smoothL1Loss(input, target, { reduction: "none", gradientOfOutput: vector(1) }));
  });
});

describe("matchBoxes", () => {
  // The second object's best overlap is 0.4, with the last two boxes alike.
  const iou = Tensor.from(Float64Array.of(0.8, 0.5, 0.1, 0.2, 0.1, 0.2, 0.4, 0.4), [2, 4]);

  it("gives a box its best object, no object below the low threshold, and neither in between", async () => {
    expect(valuesOf(await functional.matchBoxes(iou, { high: 0.7, low: 0.45 }))).to.deep.equal([0, -2, -1, -1]);
    expect(valuesOf(await functional.matchBoxes(iou, { high: 0.5, low: 0.5 }))).to.deep.equal([0, 0, -1, -1]);
  });

  it("gives each object its best boxes, ties included, if low quality is allowed", async () => {
    const matches = await functional.matchBoxes(iou, { high: 0.7, low: 0.45, allowLowQuality: true });
    expect(valuesOf(matches)).to.deep.equal([0, -2, 1, 1]);
  });

  it("refuses a low threshold above the high one", async () => {
    await failureOf("INVALID_ARGUMENT", async () => functional.matchBoxes(iou, { high: 0.3, low: 0.5 }));
    await failureOf("INVALID_ARGUMENT", async () => functional.matchBoxes(iou, { high: 2, low: 0.5 }));
  });
});

describe("pasteMasks", () => {
  const full = Tensor.from(new Float64Array(4).fill(1), [1, 2, 2]);

  it("covers the box by detectron2's rule, in both forms", async () => {
    const boxes = boxTensor([[1, 1, 5, 3]]);
    const mask = await functional.pasteMasks(full, boxes, [4, 6], { flavor: "detectron2" });
    expect(mask.shape).to.deep.equal([1, 4, 6]);
    expect(mask.dtype).to.equal("uint8");
    const one = Tensor.from(Uint8Array.from(valuesOf(mask)), [4, 6]);
    expect(await masks.toBox(await masks.encode(one))).to.deep.equal([1, 1, 4, 2]);
    const soft = await functional.pasteMasks(full, boxes, [4, 6], { flavor: "detectron2", threshold: null });
    expect(soft.dtype).to.equal("float64");
    expect(valuesOf(soft).filter((value) => value >= 0.5)).to.have.length(8);
  });

  it("draws nothing of a box outside of the image", async () => {
    for (const flavor of ["torchvision", "detectron2"] as const) {
      const mask = await functional.pasteMasks(full, boxTensor([[40, 40, 50, 50]]), [4, 6], { flavor });
      expect(sumOf(valuesOf(mask)), flavor).to.equal(0);
    }
  });

  it("refuses masks that are not square, and another number of boxes", async () => {
    await failureOf("SHAPE_MISMATCH", async () => functional.pasteMasks(full, boxTensor([]), [4, 6]));
    await failureOf("SHAPE_MISMATCH",
      async () => functional.pasteMasks(sequenceTensor("mask", [1, 2, 3]), boxTensor([[0, 0, 1, 1]]), [4, 6]));
    await failureOf("INVALID_ARGUMENT",
      async () =>
        functional.pasteMasks(full, boxTensor([[0, 0, 1, 1]]), [4, 6], { flavor: "mmdetection" as "detectron2" }));
  });
});

describe("operations of detectors", () => {
  it("leave their inputs as they were and can run at once", async () => {
    const boxes = boxTensor([[0, 0, 4, 4], [1, 1, 3, 6]]);
    const before = valuesOf(boxes);
    const ious = await Promise.all([1, 2, 3].map(async () => functional.boxIou(boxes, boxes)));
    await functional.clipBoxes(boxes, [2, 2]);
    expect(valuesOf(boxes)).to.deep.equal(before);
    expect(new Set(ious.map((iou) => valuesOf(iou).join())).size).to.equal(1);
  });

  it("refuse a size that no memory holds, without ending the process", async () => {
    const mask = Tensor.from(sequence("mask", 4), [1, 2, 2]);
    for (const size of [[2 ** 31, 2 ** 31], [2 ** 53, 1]] as const)
      await failureOf("INVALID_ARGUMENT", async () => functional.pasteMasks(mask, boxTensor([[0, 0, 1, 1]]), size));
  });
});
