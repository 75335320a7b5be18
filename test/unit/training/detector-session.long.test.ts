import { expect } from "chai";
import { createModel, createSession, type Detector, loadDataset, type Session, Tensor } from "../../../lib/index.js";
import { ellipseMasks, filledDetector, namedImage, targetsOf, type TargetTensors } from "../../support/detectors.js";
import { failureOf } from "../../support/errors.js";
import { expectNear, valuesOf } from "../../support/numeric.js";
import { labelTensor } from "../../support/deterministic.js";
import { scratchDirectory } from "../lib/small-run.js";

// float64, where the order of summation is the difference.
const TOLERANCE = 1e-10;
const ALL = 2 ** 20;
const BOXES = [[4, 5, 40, 50], [30.5, 10, 60, 33.25]];

const OPTIONS = { numClasses: 4,
  detection: { minSize: 64, maxSize: 128, rpnPreNmsTopNTrain: 50, rpnPostNmsTopNTrain: 20, rpnBatchSizePerImage: ALL,
    boxBatchSizePerImage: ALL } } as const;
const RETINANET = { numClasses: 4, detection: { minSize: 64, maxSize: 128 } } as const;
const SGD = { kind: "sgd", learningRate: 1e-3, momentum: 0.9, nesterov: false, weightDecay: 1e-2 } as const;

const images = (count = 2): Tensor[] => Array.from({ length: count }, (_, i) => namedImage(`image${i}`, 64, 64));
const objects = (hasMasks = false): TargetTensors =>
  targetsOf({ boxes: BOXES, labels: [1, 3] }, hasMasks ? [64, 64] : undefined);
const nothing = (): TargetTensors => targetsOf({ boxes: [], labels: [] });

/** All entries of a detector's state as bytes. */
async function bytesOf(detector: Detector): Promise<Map<string, string>> {
  return new Map(
    Object.entries(await detector.stateDict()).map((
      [name, entry],
    ) => [name, Buffer.from(entry.toTypedArray().buffer).toString("base64")]),
  );
}

describe("a step of a detector", () => {
  let detector: Detector;
  let session: Session<Detector>;

  before(async () => {
    detector = await filledDetector("mask-rcnn-resnet18-fpn", OPTIONS);
    session = await createSession({ model: detector, optimizer: SGD });
  });
  after(() => {
    session.dispose();
    detector.dispose();
  });

  const step = (target: object, pictures = images(1)) => () =>
    session.step({ images: pictures, targets: [target as TargetTensors] });

  it("names each loss, whose sum is the total", async () => {
    const { losses } = await session.step({ images: images(),
      targets: [objects(true), { ...nothing(), masks: ellipseMasks([], 64, 64) }] });
    const { total, distillation, distillationWeight, perStage, terms, ...rest } = losses;
    expect([distillation, distillationWeight, perStage, terms]).to.deep.equal([0, 0, [], []]);
    expect(Object.keys(rest)).to.deep.equal(session.task.losses.map(({ name }) => name));
    expect(Object.keys(rest)).to.have.members(["objectness", "rpnBoxReg", "classifier", "boxReg", "mask"]);
    expectNear(total, Object.values(rest).reduce<number>((sum, loss) => sum + (loss as number), 0), TOLERANCE, "total");
  });

  it("learns from an image without objects that everything is background", async () => {
    const { losses } = await session.step({ images: images(1),
      targets: [{ ...nothing(), masks: ellipseMasks([], 64, 64) }] });
    expect(losses).to.include({ rpnBoxReg: 0, boxReg: 0, mask: 0 });
    expect(losses.total).to.be.above(0);
    for (const gradient of Object.values(await session.gradients()))
      expect(valuesOf(gradient).every(Number.isFinite)).to.equal(true);
  });

  it("refuses labels beyond the classes, and the background's", async () => {
    for (const label of [0, 4, -1]) {
      const { message } = await failureOf("LABEL_OUT_OF_RANGE",
        step({ ...objects(true), labels: labelTensor([1, label]) }));
      expect(message).to.match(
        new RegExp(`targets\\[0\\]\\.labels\\[1\\] is ${label}: expected an integer from 1 to 3`),
      );
    }
  });

  it("refuses boxes without an area, which would make losses infinite", async () => {
    for (const box of [[5, 5, 5, 9], [9, 5, 5, 9], [Number.NaN, 5, 9, 9], [5, 5, Infinity, 9]]) {
      const { message } = await failureOf("INVALID_ARGUMENT", step(targetsOf({ boxes: [box], labels: [1] }, [64, 64])));
      expect(message).to.match(/^invalid boxes of image 0: /);
    }
  });

  it("clips boxes to their image, and refuses those that lie outside of it, by image and object", async () => {
    const loss = async (box: number[], inside: number[]): Promise<number> => {
      using own = await filledDetector("faster-rcnn-resnet18-fpn", OPTIONS);
      using training = await createSession({ model: own, optimizer: SGD });
      const target = targetsOf({ boxes: [inside, box], labels: [1, 2] });
      return (await training.step({ images: images(1), targets: [target] })).losses.total;
    };
    const within = [4, 5, 40, 50];
    expect(await loss([-20, 30, 90, 1e6], within)).to.equal(await loss([0, 30, 64, 64], within));
    for (const box of [[70, 5, 90, 9], [5, -30, 9, -2], [64, 5, 65, 9]]) {
      const targets = targetsOf({ boxes: [BOXES[0]!, box], labels: [1, 1] }, [64, 64]);
      const { message } = await failureOf("INVALID_ARGUMENT", () =>
        session.step({ images: images(), targets: [objects(true), targets] }));
      expect(message).to.equal("invalid boxes of image 1: expected x1 < x2 and y1 < y2 within the image of 64 × 64 " +
        `(height × width), received ${box.join(", ")} for object 1. Correct the box or drop the object.`);
    }
  });

  it("refuses objects without masks, masks of another size and labels of another number or type", async () => {
    await failureOf("SHAPE_MISMATCH", step(objects()));
    await failureOf("SHAPE_MISMATCH", step({ ...objects(), masks: ellipseMasks(BOXES, 32, 32) }));
    await failureOf("SHAPE_MISMATCH", step({ ...objects(true), labels: labelTensor([1]) }));
    await failureOf("DTYPE_MISMATCH", step({ ...objects(true), labels: Tensor.from(Float64Array.of(1, 2), [2]) }));
    await failureOf("INVALID_ARGUMENT", step({ labels: labelTensor([1]) }));
  });

  it("refuses another number of targets than of images, and a batch without images", async () => {
    await failureOf("SHAPE_MISMATCH", step(objects(true), images(2)));
    await failureOf("SHAPE_MISMATCH", () => session.step({ images: [], targets: [] }));
  });

  it("refuses the batch of a classifier, and a classifier that of a detector", async () => {
    await failureOf("INVALID_ARGUMENT",
      () => session.step({ images: Tensor.from(new Float64Array(192), [1, 3, 8, 8]), labels: labelTensor([1]) }));
    using model = await createModel("resnet8", { numClasses: 10 });
    using classifier = await createSession({ model });
    await failureOf("INVALID_ARGUMENT", () => classifier.step({ images: images(1), targets: [objects()] }));
  });
});

describe("a training of a detector", () => {
  it("changes trained parameters alone: the rest has no gradient and stays bit for bit", async () => {
    using detector = await filledDetector("retinanet-resnet18-fpn", RETINANET);
    using session = await createSession({ model: detector, optimizer: SGD });
    const before = await bytesOf(detector);
    await session.step({ images: images(), targets: [objects(), nothing()] });
    const gradients = Object.keys(await session.gradients());
    const after = await bytesOf(detector);
    const changed = [...after].filter(([name, bytes]) => bytes !== before.get(name)).map(([name]) => name);
    expect(changed).to.have.members(gradients);
    expect(gradients.filter((name) => /body\.(conv1|bn1|layer1)|\.bn\d\./.test(name))).to.deep.equal([]);
    expect(gradients).to.include("backbone.body.layer2.0.conv1.weight");
  });

  it("has gradients under detectron2's names and in its shapes", async () => {
    using detector = await filledDetector("faster-rcnn-resnet18-fpn", OPTIONS);
    using session = await createSession({ model: detector, optimizer: SGD });
    await session.step({ images: images(), targets: [objects(), nothing()] });
    const ours = await session.gradients();
    const theirs = await session.gradients({ names: "detectron2" });
    expect(Object.keys(theirs)).to.have.length(Object.keys(ours).length);
    expect(Object.keys(theirs)).to.include("backbone.bottom_up.res3.0.conv1.weight");
    const [background, ...classes] = valuesOf(ours["roi_heads.box_predictor.cls_score.bias"]!);
    expect(valuesOf(theirs["roi_heads.box_predictor.cls_score.bias"]!)).to.deep.equal([...classes, background]);
    expect(theirs["roi_heads.box_predictor.bbox_pred.bias"]!.shape).to.deep.equal([12]);
  });

  it("averages the losses and gradients of micro-batches by their images", async () => {
    const batch = { images: images(), targets: [objects(), nothing()] };
    const run = async (microBatches: number, parts = [batch]) => {
      using detector = await filledDetector("retinanet-resnet18-fpn", RETINANET);
      using session = await createSession({ model: detector, optimizer: SGD, microBatches });
      const { losses } = await session.step(parts);
      return { losses, bias: valuesOf((await session.gradients())["head.regression_head.bbox_reg.bias"]!) };
    };
    // RetinaNet's losses are means over images: parts of equal size change nothing.
    const whole = await run(1);
    const parts = await run(2);
    expectNear(parts.losses.total, whole.losses.total, TOLERANCE, "total");
    parts.bias.forEach((value, i) => {
      expectNear(value, whole.bias[i]!, TOLERANCE, `gradient ${i}`, 1e-3);
    });
  });

  it("decays norms by their own factor", async () => {
    const change = async (normWeightDecay: number | undefined) => {
      using detector = await filledDetector("retinanet-resnet18-fpn", { ...RETINANET,
        detection: { ...RETINANET.detection, norm: "batch", trainableLayers: 5 } });
      using session = await createSession({ model: detector,
        optimizer: { ...SGD, momentum: 0, ...(normWeightDecay === undefined ? {} : { normWeightDecay }) } });
      const name = "backbone.body.layer2.0.bn1.weight";
      const before = valuesOf((await detector.stateDict())[name]!);
      await session.step({ images: images(), targets: [objects(), nothing()] });
      const gradient = valuesOf((await session.gradients())[name]!);
      const after = valuesOf((await detector.stateDict())[name]!);
      return before.map((value, i) => (value - after[i]!) / SGD.learningRate - gradient[i]!).map((decay, i) =>
        decay / before[i]!
      );
    };
    for (const [given, expected] of [[undefined, 1e-2], [0, 0], [0.5, 0.5]] as const) {
      // A difference of weights near 0.6, over the learning rate: 1e-16 / 1e-3.
      for (const decay of await change(given)) expect(decay).to.be.closeTo(expected, 1e-10);
    }
  });
});

describe("the running mean of detectron2's RetinaNet", () => {
  const scratch = scratchDirectory();
  const options = { ...RETINANET, flavor: "detectron2",
    detection: { ...RETINANET.detection, imageStd: [57.375, 57.12, 58.395] } } as const;
  const batch = { images: images(), targets: [objects(), nothing()] };

  it("is part of a checkpoint", async () => {
    using detector = await filledDetector("retinanet-resnet18-fpn", options);
    using session = await createSession({ model: detector, optimizer: SGD });
    await session.step(batch);
    await session.saveCheckpoint(scratch("checkpoint"));
    const expected = [(await session.step(batch)).losses, (await session.step(batch)).losses];

    using other = await filledDetector("retinanet-resnet18-fpn", options);
    using resumed = await createSession({ model: other, optimizer: SGD });
    await resumed.loadCheckpoint(scratch("checkpoint"));
    expect([(await resumed.step(batch)).losses, (await resumed.step(batch)).losses]).to.deep.equal(expected);
  });

  it("divides by 0.9 · 100 + 0.1 · the anchors of objects at first", async () => {
    using detector = await filledDetector("retinanet-resnet18-fpn", options);
    using session = await createSession({ model: detector,
      optimizer: { ...SGD, learningRate: 1e-300, weightDecay: 0 } });
    const first = (await session.step(batch)).losses.total;
    const second = (await session.step(batch)).losses.total;
    // Such a rate leaves the weights as they are: losses L / (90 + n/10) and L / (81 + 0.09 n + n/10), of n anchors.
    const ratio = first / second;
    const anchors = (90 * ratio - 81) / (0.19 - 0.1 * ratio);
    expect(anchors).to.be.closeTo(Math.round(anchors), 1e-6);
    expect(Math.round(anchors)).to.be.at.least(1);
  });
});

describe("the schedule of a detector's training", () => {
  const rates = async (schedule: object): Promise<number[]> => {
    using detector = await filledDetector("retinanet-resnet18-fpn", { ...RETINANET, dtype: "float32",
      detection: { minSize: 32, maxSize: 64 } });
    using session = await createSession({ model: detector, optimizer: { ...SGD, learningRate: 1e-4 } });
    using data = await loadDataset({ kind: "scenes", trainSamples: 2, testSamples: 1, imageSize: 32 });
    const found: number[] = [];
    for (let epoch = 0; epoch < 6; ++epoch) {
      const { learningRate } = await session.trainEpoch(data, { epoch, epochs: 6, batchSize: 2,
        schedule: { kind: "multi-step", ...schedule } as never });
      found.push(learningRate);
    }
    return found;
  };

  it("rises over the warm-up's steps and falls at its milestones, counted in steps", async () => {
    const found = await rates({ warmupSteps: 4, warmupFactor: 0.25, milestoneSteps: [5], milestones: [], factor: 0.1 });
    // Step k of four has ¼ + ¾ · k / 4 of the rate.
    const expected = [0.25, 0.4375, 0.625, 0.8125, 1, 0.1].map((factor) => factor * 1e-4);
    found.forEach((rate, step) => {
      expectNear(rate, expected[step]!, 1e-12, `step ${step}`); // products of a few factors
    });
  });
});
