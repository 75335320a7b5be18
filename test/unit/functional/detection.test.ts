import { expect } from "chai";
import { functional, Tensor, type StateDict } from "../../../lib/index.js";
import { boxTensor, namedImage } from "../../support/detectors.js";
import { fill, labelTensor, sequenceTensor } from "../../support/deterministic.js";
import { failureOf } from "../../support/errors.js";
import { expectAllNear, expectNear, gradientOf, sumOf, valuesOf } from "../../support/numeric.js";

const { detection } = functional;

// A few operations in float64, which round to 1e-16 each.
const EXACT = 1e-12;
// Central differences with a step of 1e-6: 1e-16 of rounding by the step, and its square.
const DIFFERENCES = 1e-6;

const like = (tensor: Tensor, values: Float64Array): Tensor => Tensor.from(values, tensor.shape);
const filledState = (shapes: Readonly<Record<string, readonly number[]>>): StateDict =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, Tensor.from(fill(name, shape), shape)]));

describe("cellAnchors", () => {
  it("have the area of their size and the ratio of their height to their width", async () => {
    const [anchors] = await detection.cellAnchors({ sizes: [[16, 32]], ratios: [0.25, 1], flavor: "detectron2" });
    // Sizes of a ratio one after the other would be torchvision's order.
    expectAllNear(valuesOf(anchors!), [[-16, -4, 16, 4], [-8, -8, 8, 8], [-32, -8, 32, 8], [-16, -16, 16, 16]].flat(),
      EXACT, "anchors");
  });

  it("are rounded half to even and ordered by ratio in torchvision's flavor", async () => {
    const [anchors] = await detection.cellAnchors({ sizes: [[5, 7]], ratios: [1, 2] });
    // Half sides 2.5 and 3.5; 5 / √2 / 2 = 1.77 and 5 · √2 / 2 = 3.54; 2.47 and 4.95.
    expect(valuesOf(anchors!)).to.deep.equal([[-2, -2, 2, 2], [-4, -4, 4, 4], [-2, -4, 2, 4], [-2, -5, 2, 5]].flat());
  });

  it("need positive sizes and ratios", async () => {
    await failureOf("INVALID_ARGUMENT", async () => detection.cellAnchors({ sizes: [[0]], ratios: [1] }));
    await failureOf("INVALID_ARGUMENT", async () => detection.cellAnchors({ sizes: [], ratios: [1] }));
    await failureOf("INVALID_ARGUMENT", async () => detection.cellAnchors({ sizes: [[8]], ratios: [Infinity] }));
  });
});

describe("anchors", () => {
  const options = { sizes: [[8], [16]], ratios: [1], paddedImage: [10, 12], maps: [[2, 3], [1, 2]] } as const;

  it("stand on the grid of each level, row by row", async () => {
    const { levels, strides } = await detection.anchors(options);
    expect(strides).to.deep.equal([[5, 4], [10, 6]]);
    expect(valuesOf(levels[0]!).slice(0, 16)).to.deep.equal([-4, -4, 4, 4, 0, -4, 8, 4, 4, -4, 12, 4, -4, 1, 4, 9]);
    expect(levels.map(({ shape }) => shape)).to.deep.equal([[6, 4], [2, 4]]);
  });

  it("refuse another number of maps than of sizes, and one that no memory holds", async () => {
    await failureOf("SHAPE_MISMATCH", async () => detection.anchors({ ...options, maps: [[2, 3]] }));
    await failureOf("INVALID_ARGUMENT",
      async () => detection.anchors({ ...options, maps: [[2 ** 30, 2 ** 30], [1, 1]] }));
  });
});

describe("assignLevels", () => {
  const options = { minLevel: 2, maxLevel: 5 };

  it("gives 224 pixels the fourth level, and a level more for each double", async () => {
    const boxes = boxTensor([28, 56, 111, 112, 224, 447, 448, 1e6].map((side) => [0, 0, side, side]));
    expect(valuesOf(await detection.assignLevels(boxes, options))).to.deep.equal([0, 0, 0, 1, 2, 2, 3, 3]);
  });

  it("keeps boxes without an area on the first level", async () => {
    for (const flavor of ["torchvision", "detectron2"] as const) {
      const levels = await detection.assignLevels(boxTensor([[3, 3, 3, 9]]), { ...options, flavor });
      expect(valuesOf(levels), flavor).to.deep.equal([0]);
    }
  });

  it("refuses a range that is empty", async () => {
    await failureOf("INVALID_ARGUMENT",
      async () => detection.assignLevels(boxTensor([[0, 0, 1, 1]]), { minLevel: 5, maxLevel: 2 }));
  });
});

describe("multiScaleRoiAlign", () => {
  it("pools each region from its level, in the order of the regions", async () => {
    const [fine, coarse] = [16, 8].map((side, level) =>
      Tensor.from(new Float64Array(2 * side * side).fill(level), [2, 1, side, side])
    );
    const rois = [boxTensor([[0, 0, 20, 20], [0, 0, 60, 60]]), boxTensor([[4, 4, 60, 64]])];
    const output = await detection.multiScaleRoiAlign([fine!, coarse!], rois, { imageSizes: [[64, 64], [64, 64]],
      outputSize: [1, 1], samplingRatio: 2, aligned: false, canonicalScale: 40, canonicalLevel: 3 });
    expect(output.shape).to.deep.equal([3, 1, 1, 1]);
    // Scales ¼ and ⅛ are the levels 2 and 3; from 40 pixels on the third.
    expectAllNear(valuesOf(output), [0, 1, 1], EXACT, "levels");
  });

  it("refuses a list of regions that lacks an image", async () => {
    await failureOf("SHAPE_MISMATCH",
      async () =>
        detection.multiScaleRoiAlign([sequenceTensor("map", [2, 1, 8, 8])], [boxTensor([[0, 0, 8, 8]])], {
          imageSizes: [[32, 32], [32, 32]],
          outputSize: [1, 1],
          samplingRatio: 2,
          aligned: false,
        }));
  });
});

describe("sample", () => {
  const labels = labelTensor([1, 0, 0, -1, 1, 0, 1, 0, 0, 0]);
  const draw = async (batchSizePerImage: number, positiveFraction: number, seed = 1) => {
    const { positive, negative } = await detection.sample(labels, { batchSizePerImage, positiveFraction, seed });
    return { positive: valuesOf(positive), negative: valuesOf(negative) };
  };

  it("takes all if there is room", async () => {
    expect(await draw(100, 0.5)).to.deep.equal({ positive: [0, 4, 6], negative: [1, 2, 5, 7, 8, 9] });
  });

  it("limits the share of positive entries and fills up with negative ones", async () => {
    const { positive, negative } = await draw(4, 0.25);
    expect(positive).to.have.length(1);
    expect(negative).to.have.length(3);
    expect([0, 4, 6]).to.include(positive[0]);
    expect([1, 2, 5, 7, 8, 9]).to.include.members(negative);
    expect(new Set(negative).size).to.equal(3);
  });

  it("follows from the seed, and differs between seeds", async () => {
    expect(await draw(4, 0.25, 7)).to.deep.equal(await draw(4, 0.25, 7));
    const drawn = await Promise.all(
      Array.from({ length: 20 }, async (_, seed) => JSON.stringify(await draw(4, 0.25, seed))),
    );
    expect(new Set(drawn).size).to.be.above(5);
  });

  it("refuses labels that are no integers, and a share beyond 1", async () => {
    const options = { batchSizePerImage: 4, positiveFraction: 0.5, seed: 1 };
    await failureOf("DTYPE_MISMATCH", async () => detection.sample(Tensor.from(Float64Array.of(1, 0), [2]), options));
    await failureOf("INVALID_ARGUMENT", async () => detection.sample(labels, { ...options, positiveFraction: 1.5 }));
  });
});

describe("regionProposals", () => {
  const state = filledState({ "conv.0.0.weight": [2, 2, 3, 3], "conv.0.0.bias": [2], "cls_logits.weight": [1, 2, 1, 1],
    "cls_logits.bias": [1], "bbox_pred.weight": [4, 2, 1, 1], "bbox_pred.bias": [4] });
  const maps = [sequenceTensor("p2", [2, 2, 3, 4]), sequenceTensor("p3", [2, 2, 2, 2])];
  const options = { mode: "train", sizes: [[8], [16]], ratios: [1], paddedImage: [24, 32],
    imageSizes: [[24, 32], [20, 28]], batchSizePerImage: 1000 } as const;
  const targets = [{ boxes: boxTensor([[3, 2, 17, 15], [20.5, 8, 30, 21]]) }, { boxes: boxTensor([]) }];

  it("finds every anchor of an image without objects to be background", async () => {
    const { labels, losses } = await detection.regionProposals(maps, state, { ...options, targets });
    expect(valuesOf(labels![1]!)).to.deep.equal(new Array(16).fill(0));
    expect(valuesOf(labels![0]!)).to.include(1);
    expect(losses!.objectness).to.be.above(0);
  });

  it("has no losses in evaluation", async () => {
    const result = await detection.regionProposals(maps, state, { ...options, mode: "eval" });
    expect(result).to.have.all.keys("proposals");
    expect(result.proposals).to.have.length(2);
    for (const [i, [height, width]] of options.imageSizes.entries()) {
      for (const [at, value] of valuesOf(result.proposals[i]!).entries())
        expect(value).to.be.within(0, at % 2 === 0 ? width : height);
    }
  });

  it("has the gradients of its losses", async () => {
    const { gradients } = await detection.regionProposals(maps, state, { ...options, targets, gradientOfOutput: 1 });
    const loss = async (changed: readonly Tensor[], weights: StateDict): Promise<number> => {
      const { losses } = await detection.regionProposals(changed, weights, { ...options, targets });
      return losses!.objectness + losses!.rpnBoxReg;
    };
    for (const level of [0, 1]) {
      const numeric = await gradientOf(
        (values) => loss(maps.map((map, i) => (i === level ? like(map, values) : map)), state),
        valuesOf(maps[level]!),
      );
      expectAllNear(valuesOf(gradients.maps[level]!), numeric, DIFFERENCES, `map ${level}`);
    }
    expect(Object.keys(gradients.state)).to.have.members(Object.keys(state));
    for (const name of ["cls_logits.bias", "bbox_pred.weight", "conv.0.0.bias"]) {
      const numeric = await gradientOf((values) => loss(maps, { ...state, [name]: like(state[name]!, values) }),
        valuesOf(state[name]!));
      expectAllNear(valuesOf(gradients.state[name]!), numeric, DIFFERENCES, name);
    }
  });

  it("refuses to train without objects, and a state that lacks an entry or has another shape", async () => {
    await failureOf("SHAPE_MISMATCH", async () => detection.regionProposals(maps, state, options));
    await failureOf("SHAPE_MISMATCH", async () => detection.regionProposals([], state, { ...options, targets }));
    await failureOf("SHAPE_MISMATCH",
      async () => detection.regionProposals(maps, state, { ...options, targets: targets.slice(1) }));
    const rest = Object.fromEntries(Object.entries(state).filter(([name]) => name !== "cls_logits.bias"));
    await failureOf("STATE_DICT_MISMATCH", async () => detection.regionProposals(maps, rest, { ...options, targets }));
    await failureOf("STATE_DICT_MISMATCH",
      async () =>
        detection.regionProposals(maps, { ...state, "cls_logits.bias": sequenceTensor("b", [2]) }, { ...options,
          targets }));
  });
});

describe("roiLosses", () => {
  const logits = sequenceTensor("logits", [3, 3]);
  const deltas = sequenceTensor("deltas", [3, 12]);
  const labels = labelTensor([2, 0, 1]);
  const targets = sequenceTensor("targets", [3, 4]);

  it("are the mean cross entropy, and the distance of the true class over all regions", async () => {
    const zeros = Tensor.from(new Float64Array(9), [3, 3]);
    const { classifier, boxReg } = await detection.roiLosses(zeros, Tensor.from(new Float64Array(36), [3, 12]), labels,
      Tensor.from(Float64Array.of(1, 1, 1, 1, 9, 9, 9, 9, 0, 0, 0, 2), [3, 4]), { smoothL1Beta: 0 });
    expectNear(classifier, Math.log(3), EXACT, "classifier");
    expectNear(boxReg, 6 / 3, EXACT, "boxReg");
  });

  it("have gradients", async () => {
    const options = { smoothL1Beta: 1 / 9 };
    const { gradients } = await detection.roiLosses(logits, deltas, labels, targets, { ...options,
      gradientOfOutput: 2 });
    const loss = async (a: Tensor, b: Tensor): Promise<number> =>
      2 * sumOf(Object.values(await detection.roiLosses(a, b, labels, targets, options)));
    expectAllNear(valuesOf(gradients.logits),
      await gradientOf((values) => loss(like(logits, values), deltas), valuesOf(logits)), DIFFERENCES, "logits");
    expectAllNear(valuesOf(gradients.deltas),
      await gradientOf((values) => loss(logits, like(deltas, values)), valuesOf(deltas)), DIFFERENCES, "deltas");
  });

  it("refuse labels beyond the classes and deltas of another number of them", async () => {
    await failureOf("LABEL_OUT_OF_RANGE",
      async () => detection.roiLosses(logits, deltas, labelTensor([3, 0, 1]), targets, { smoothL1Beta: 0 }));
    await failureOf("LABEL_OUT_OF_RANGE",
      async () => detection.roiLosses(logits, deltas, labelTensor([-1, 0, 1]), targets, { smoothL1Beta: 0 }));
    await failureOf("SHAPE_MISMATCH",
      async () => detection.roiLosses(logits, sequenceTensor("deltas", [3, 8]), labels, targets, { smoothL1Beta: 0 }));
  });
});

describe("maskTargets", () => {
  // The left half of an image of 4×4.
  const mask = Tensor.from(Uint8Array.from({ length: 16 }, (_, i) => Number(i % 4 < 2)), [1, 4, 4]);
  const proposals = boxTensor([[0, 0, 4, 4], [2, 0, 4, 4]]);

  it("are the part of an object within each proposal, soft or 0 and 1", async () => {
    const matched = labelTensor([0, 0]);
    const binary = await detection.maskTargets(mask, proposals, matched, { size: 2, flavor: "detectron2" });
    expect(valuesOf(binary)).to.deep.equal([1, 0, 1, 0, 0, 0, 0, 0]);
    const soft = valuesOf(await detection.maskTargets(mask, proposals, matched, { size: 2 }));
    expect(soft.every((value) => value >= 0 && value <= 1)).to.equal(true);
    expect(soft[0]).to.be.above(soft[1]!);
  });

  it("refuse an object that is not there", async () => {
    await failureOf("INVALID_ARGUMENT",
      async () => detection.maskTargets(mask, proposals, labelTensor([0, 1]), { size: 2 }));
    await failureOf("SHAPE_MISMATCH",
      async () => detection.maskTargets(mask, proposals, labelTensor([0]), { size: 2 }));
  });
});

describe("maskLoss", () => {
  const logits = sequenceTensor("logits", [2, 3, 2, 2]);
  const labels = labelTensor([1, 2]);
  const targets = Tensor.from(Float64Array.of(1, 0, 0, 1, 0.5, 0.25, 1, 0), [2, 2, 2]);

  it("is the mean over the cells of the true classes", async () => {
    const zeros = Tensor.from(new Float64Array(24), [2, 3, 2, 2]);
    expectNear(await detection.maskLoss(zeros, labels, targets), Math.LN2, EXACT, "loss");
  });

  it("has a gradient", async () => {
    const { output, gradients } = await detection.maskLoss(logits, labels, targets, { gradientOfOutput: 1 });
    expect(output).to.equal(await detection.maskLoss(logits, labels, targets));
    const numeric = await gradientOf((values) => detection.maskLoss(like(logits, values), labels, targets),
      valuesOf(logits));
    expectAllNear(valuesOf(gradients.logits), numeric, DIFFERENCES, "gradient");
  });

  it("is 0 with a gradient of 0 if there are no regions", async () => {
    const none = Tensor.from(new Float64Array(0), [0, 3, 2, 2]);
    const { output } = await detection.maskLoss(none, labelTensor([]), Tensor.from(new Float64Array(0), [0, 2, 2]), {
      gradientOfOutput: 1,
    });
    expect(output).to.equal(0);
  });

  it("refuses labels beyond the classes", async () => {
    await failureOf("LABEL_OUT_OF_RANGE", async () => detection.maskLoss(logits, labelTensor([1, 3]), targets));
  });
});

describe("roiDetections", () => {
  const proposals = [boxTensor([[0, 0, 8, 8], [20, 20, 40, 40]])];
  // Probabilities of background and two classes.
  const logits = Tensor.from(Float64Array.of(0.2, 0.7, 0.1, 0.9, 0.04, 0.06).map(Math.log), [2, 3]);
  const deltas = Tensor.from(new Float64Array(24), [2, 12]);

  it("are the classes above the threshold, by falling score, within the image", async () => {
    const [found] = await detection.roiDetections(logits, deltas, proposals, { imageSizes: [[30, 32]] });
    expectAllNear(valuesOf(found!.scores), [0.7, 0.1, 0.06], EXACT, "scores");
    expect(valuesOf(found!.labels)).to.deep.equal([1, 2, 2]);
    expect(valuesOf(found!.boxes)).to.deep.equal([0, 0, 8, 8, 0, 0, 8, 8, 20, 20, 32, 30]);
  });

  it("are as many as asked at most", async () => {
    const [found] = await detection.roiDetections(logits, deltas, proposals, { imageSizes: [[30, 32]],
      detectionsPerImg: 1, scoreThresh: 0 });
    expect(valuesOf(found!.labels)).to.deep.equal([1]);
  });

  it("are none of no proposals", async () => {
    const none = (width: number): Tensor => Tensor.from(new Float64Array(0), [0, width]);
    const [found] = await detection.roiDetections(none(3), none(12), [boxTensor([])], { imageSizes: [[30, 32]] });
    expect(found!.boxes.shape).to.deep.equal([0, 4]);
    expect(found!.labels.dtype).to.equal("int64");
  });

  it("refuse proposals that do not add up to the scores", async () => {
    await failureOf("SHAPE_MISMATCH",
      async () => detection.roiDetections(logits, deltas, [boxTensor([[0, 0, 8, 8]])], { imageSizes: [[30, 32]] }));
    await failureOf("SHAPE_MISMATCH",
      async () => detection.roiDetections(logits, deltas, proposals, { imageSizes: [[30, 32], [30, 32]] }));
  });
});

describe("retinaNetDetections", () => {
  it("suppresses before or after clipping, by flavor", async () => {
    // Beyond the image of 10 pixels the boxes differ; within they are alike.
    const anchors = boxTensor([[0, 0, 10, 20], [0, 0, 10, 10]]);
    const logits = Tensor.from(Float64Array.of(2, 1), [1, 2, 1]);
    const deltas = Tensor.from(new Float64Array(8), [1, 2, 4]);
    const of = async (flavor: "torchvision" | "detectron2") => {
      const [found] = await detection.retinaNetDetections([logits], [deltas], [anchors], { imageSizes: [[10, 10]],
        nmsThresh: 0.6, flavor });
      return found!.scores.shape[0];
    };
    expect(await of("torchvision")).to.equal(1);
    expect(await of("detectron2")).to.equal(2);
  });
});

describe("resizedSize", () => {
  it("brings the short side to its length unless the long one becomes too long", async () => {
    const options = { minSize: 800, maxSize: 1333 };
    expect(await detection.resizedSize([400, 600], options)).to.deep.equal([800, 1200]);
    expect(await detection.resizedSize([400, 1000], options)).to.deep.equal([533, 1333]);
    // 600 · 1.25 is 750; 375 · 1333 / 500 is 999.75: down, or to the nearest.
    expect(await detection.resizedSize([500, 375], { ...options, minSize: 1000 })).to.deep.equal([1333, 999]);
    expect(await detection.resizedSize([500, 375], { ...options, minSize: 1000, flavor: "detectron2" }))
      .to.deep.equal([1333, 1000]);
  });

  it("leaves at least one pixel", async () => {
    for (const flavor of ["torchvision", "detectron2"] as const) {
      const [height] = await detection.resizedSize([1, 10_000], { minSize: 100, maxSize: 200, flavor });
      expect(height, flavor).to.equal(1);
    }
  });
});

describe("transform", () => {
  it("normalizes, pads to a multiple of 32 and enlarges boxes and masks with their image", async () => {
    const image = Tensor.from(new Float64Array(3 * 8 * 12).fill(0.5), [3, 8, 12]);
    const masks = Tensor.from(Uint8Array.from({ length: 96 }, (_, i) => Number(i % 12 < 6)), [1, 8, 12]);
    const { input, imageSizes, targets } = await detection.transform([image], { minSize: 16, maxSize: 64,
      imageMean: [0.5, 0.25, 0], imageStd: [1, 0.5, 0.25], targets: [{ boxes: boxTensor([[1, 2, 3, 4]]), masks }] });
    expect(imageSizes).to.deep.equal([[16, 24]]);
    expect(input.shape).to.deep.equal([1, 3, 32, 32]);
    const values = valuesOf(input);
    expectAllNear([values[0]!, values[1024]!, values[2048]!], [0, 0.5, 2], EXACT, "channels");
    expect(values[24], "padding").to.equal(0);
    expect(values[2048 + 24], "padding").to.equal(0);
    expect(valuesOf(targets![0]!.boxes)).to.deep.equal([2, 4, 6, 8]);
    expect(targets![0]!.masks!.shape).to.deep.equal([1, 16, 24]);
    expect(sumOf(valuesOf(targets![0]!.masks!))).to.equal(16 * 12);
  });

  it("refuses images of another shape or type, none, and masks of another size", async () => {
    await failureOf("SHAPE_MISMATCH", async () => detection.transform([], {}));
    await failureOf("SHAPE_MISMATCH", async () => detection.transform([sequenceTensor("gray", [1, 8, 8])], {}));
    await failureOf("SHAPE_MISMATCH", async () => detection.transform([sequenceTensor("batch", [1, 3, 8, 8])], {}));
    await failureOf("DTYPE_MISMATCH",
      async () => detection.transform([Tensor.from(new Uint8Array(192), [3, 8, 8])], {}));
    await failureOf("SHAPE_MISMATCH", async () =>
      detection.transform([namedImage("image", 8, 8)], {
        targets: [{ boxes: boxTensor([[0, 0, 4, 4]]), masks: Tensor.from(new Uint8Array(49), [1, 7, 7]) }],
      }));
  });
});
