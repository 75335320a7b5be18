// Batches that a caller without types may pass to a detector: each has its error, none ends the process, and the
// session works on.
import { expect } from "chai";
import { createDetector, createSession, Tensor, type Detector, type ErrorCode,
  type Session } from "../../../lib/index.js";
import { ellipseMasks, namedImage, targetsOf } from "../../support/detectors.js";
import { labelTensor } from "../../support/deterministic.js";
import { failureOf } from "../../support/errors.js";

const SIDE = 32;
const BOXES = [[2, 3, 20, 25], [10, 8, 30, 28]];

const image = (): Tensor => namedImage("image", SIDE, SIDE);
const float = (...shape: number[]): Tensor =>
  Tensor.from(new Float32Array(shape.reduce((product, length) => product * length, 1)).fill(0.5), shape);
const good = (): object => targetsOf({ boxes: BOXES, labels: [1, 2] }, [SIDE, SIDE]);
const boxes = (...rows: number[][]): object => ({
  ...targetsOf({ boxes: rows, labels: rows.map(() => 1) }),
  masks: ellipseMasks(rows.map(() => BOXES[0]!), SIDE, SIDE),
});

type Case = readonly [what: string, code: ErrorCode, batch: unknown, says: string];
const withTarget = (target: unknown): unknown => ({ images: [image()], targets: [target] });
const withImage = (picture: unknown): unknown => ({ images: [picture], targets: [good()] });

const CASES: readonly Case[] = [
  ["a box of NaN", "INVALID_ARGUMENT", withTarget(boxes([NaN, 3, 20, 25])), "x1 < x2 and y1 < y2"],
  ["a box without end", "INVALID_ARGUMENT", withTarget(boxes([2, 3, Infinity, 25])), "invalid boxes of image 0"],
  ["a box that begins nowhere", "INVALID_ARGUMENT", withTarget(boxes([-Infinity, 3, 20, 25])),
    "invalid boxes of image 0"],
  ["a box of negative size", "INVALID_ARGUMENT", withTarget(boxes([20, 25, 2, 3])), "x1 < x2 and y1 < y2"],
  ["a box outside of its image", "INVALID_ARGUMENT", withTarget(boxes([40, 3, 60, 25])), "within the image of 32 × 32"],
  ["a box above its image", "INVALID_ARGUMENT", withTarget(boxes([2, -9, 20, -1])), "for object 0"],
  ["boxes of five numbers", "SHAPE_MISMATCH", withTarget({ ...good(), boxes: float(2, 5) }), "expected boxes [K, 4]"],
  ["boxes in one dimension", "SHAPE_MISMATCH", withTarget({ ...good(), boxes: float(8) }), "expected boxes [K, 4]"],
  ["boxes that are numbers", "INVALID_ARGUMENT", withTarget({ ...good(), boxes: [[1, 2, 3, 4]] }),
    "invalid boxes of targets[0]: expected a Tensor, received an array of 1 elements."],
  ["labels of floating point", "DTYPE_MISMATCH", withTarget({ ...good(), labels: float(2) }), "expected int64"],
  ["labels that are bytes", "DTYPE_MISMATCH", withTarget({ ...good(), labels: Tensor.from(Uint8Array.of(1, 2), [2]) }),
    "expected int64"],
  ["a label of the number of classes", "LABEL_OUT_OF_RANGE", withTarget({ ...good(), labels: labelTensor([1, 4]) }),
    "targets[0].labels[1] is 4: expected an integer from 1 to 3."],
  ["the background's label", "LABEL_OUT_OF_RANGE", withTarget({ ...good(), labels: labelTensor([0, 1]) }),
    "0 is the background"],
  ["the smallest label there is", "LABEL_OUT_OF_RANGE",
    withTarget({ ...good(), labels: Tensor.from(BigInt64Array.of(-(2n ** 63n), 1n), [2]) }),
    "labels[0] is -9223372036854775808:"],
  ["labels of two dimensions", "SHAPE_MISMATCH",
    withTarget({ ...good(), labels: Tensor.from(BigInt64Array.of(1n, 2n), [2, 1]) }), "labels [K]"],
  ["fewer masks than boxes", "SHAPE_MISMATCH",
    withTarget({ ...good(), masks: ellipseMasks(BOXES.slice(1), SIDE, SIDE) }), "expected [2, 32, 32]"],
  ["masks of another size", "SHAPE_MISMATCH", withTarget({ ...good(), masks: ellipseMasks(BOXES, SIDE, 31) }),
    "received [2, 32, 31]"],
  ["masks of floating point", "DTYPE_MISMATCH", withTarget({ ...good(), masks: float(2, SIDE, SIDE) }),
    "expected uint8"],
  ["masks of 255", "INVALID_ARGUMENT",
    withTarget({ ...good(), masks: Tensor.from(new Uint8Array(2 * SIDE * SIDE).fill(255), [2, SIDE, SIDE]) }),
    "expected 0 and 1, received 255"],
  ["targets of nothing", "INVALID_ARGUMENT", withTarget(null), "invalid targets[0]: expected an object with boxes"],
  ["no images", "SHAPE_MISMATCH", { images: [], targets: [] }, "received 0 and 0"],
  ["more images than targets", "SHAPE_MISMATCH", { images: [image(), image()], targets: [good()] }, "2 and 1"],
  ["images that are one tensor", "INVALID_ARGUMENT", { images: float(1, 3, SIDE, SIDE), targets: [good()] },
    "expected an array of Tensors, received a Tensor."],
  ["an image that is a path", "INVALID_ARGUMENT", withImage("photo.jpg"),
    'invalid images[0]: expected a Tensor, received "photo.jpg".'],
  ["an image of one channel", "SHAPE_MISMATCH", withImage(float(1, SIDE, SIDE)), "expected [3, H, W]"],
  ["an image of four channels", "SHAPE_MISMATCH", withImage(float(4, SIDE, SIDE)), "received [4, 32, 32]"],
  ["an image with channels last", "SHAPE_MISMATCH", withImage(float(SIDE, SIDE, 3)), "received [32, 32, 3]"],
  ["an image without pixels", "SHAPE_MISMATCH", withImage(float(3, 0, SIDE)), "received [3, 0, 32]"],
  ["an image of a batch's shape", "SHAPE_MISMATCH", withImage(float(1, 3, SIDE, SIDE)), "expected [3, H, W]"],
  ["a batch without targets", "INVALID_ARGUMENT", { images: [image()] }, "invalid targets"],
  ["no batch", "INVALID_ARGUMENT", null, "expected an object with images"],
];

describe("a batch that a detector cannot be trained on", () => {
  let detector: Detector;
  let session: Session<Detector>;

  before(async () => {
    detector = await createDetector("mask-rcnn-resnet18-fpn", { numClasses: 4,
      detection: { minSize: null, norm: "frozen", rpnPreNmsTopNTrain: 40, rpnPostNmsTopNTrain: 20 } });
    session = await createSession({ model: detector, threads: 1, optimizer: { kind: "sgd", learningRate: 1e-6 } });
  });
  after(() => {
    session.dispose();
    detector.dispose();
  });

  for (const [what, code, batch, says] of CASES) {
    it(`is one with ${what}`, async () => {
      const { message } = await failureOf(code, () => session.step(batch as never));
      expect(message).to.include(says).and.match(/^invalid [^.]+: (?:targets\S+ is .+: )?expected /);
      expect((await session.position()).totalSteps).to.equal(0);
    });
  }

  it("is one of images of bytes, which would be 255 times too bright", async () => {
    const bytes = Tensor.from(new Uint8Array(3 * SIDE * SIDE), [3, SIDE, SIDE]);
    await failureOf("DTYPE_MISMATCH", () => session.step(withImage(bytes) as never));
  });

  it("changes nothing if its pixels are NaN", async () => {
    const before = await detector.stateDict();
    const pixels = Tensor.from(new Float32Array(3 * SIDE * SIDE).fill(NaN), [3, SIDE, SIDE]);
    await failureOf("NON_FINITE_LOSS", () => session.step(withImage(pixels) as never));
    const after = await detector.stateDict();
    for (const [name, tensor] of Object.entries(before))
      expect(after[name]!.toTypedArray(), name).to.deep.equal(tensor.toTypedArray());
  });

  it("is followed by good ones", async () => {
    expect((await session.step({ images: [image()], targets: [good() as never] })).step).to.equal(1);
  });
});

describe("a detector", () => {
  it("steps with neither proposals nor objects, which teaches its heads nothing", async () => {
    using detector = await createDetector("mask-rcnn-resnet18-fpn", { numClasses: 4,
      detection: { minSize: 32, maxSize: 32, norm: "frozen", rpnMinSize: 1000 } });
    using session = await createSession({ model: detector, threads: 1 });
    const nothing = targetsOf({ boxes: [], labels: [] }, [SIDE, SIDE]);
    const { losses } = await session.step({ images: [image()], targets: [nothing] });
    expect([losses.classifier, losses.boxReg, losses.mask]).to.deep.equal([0, 0, 0]);
    expect(losses.objectness).to.be.greaterThan(0);
  });

  it("learns by the defaults of fit in a session, but a weight decay that is given alone is that of norms too", async () => {
    using detector = await createDetector("retinanet-resnet18-fpn", { numClasses: 2 });
    using usual = await createSession({ model: detector });
    expect(usual.options.optimizer).to.deep.include({ learningRate: 0.01, nesterov: false, weightDecay: 1e-4,
      normWeightDecay: 0 });
    using decayed = await createSession({ model: detector, optimizer: { kind: "sgd", weightDecay: 1e-3 } });
    expect(decayed.options.optimizer).to.deep.include({ learningRate: 0.01, weightDecay: 1e-3 })
      .and.not.have.property("normWeightDecay");
  });

  it("ignores masks that it does not need, whatever they are", async () => {
    using detector = await createDetector("retinanet-resnet18-fpn", { numClasses: 4,
      detection: { minSize: 48, maxSize: 80, norm: "frozen" } });
    using session = await createSession({ model: detector, threads: 1 });
    for (const masks of [float(1), float(2, 5, 5)])
      expect((await session.step({ images: [image()], targets: [{ ...good(), masks } as never] })).losses.total).to.be
        .finite;
  });

  it("refuses images that it cannot look at", async () => {
    using detector = await createDetector("retinanet-resnet18-fpn", { numClasses: 4,
      detection: { minSize: 32, maxSize: 32 } });
    for (const wrong of [float(1, SIDE, SIDE), float(3, 0, 5), float(1, 3, 4, 4), float(3)])
      await failureOf("SHAPE_MISMATCH", () => detector.detect([wrong]));
    await failureOf("DTYPE_MISMATCH", () => detector.detect([Tensor.from(new Uint8Array(12), [3, 2, 2])]));
    for (const wrong of [[], null, undefined, [null], [[image()]], {}])
      await failureOf("INVALID_ARGUMENT", () => detector.detect(wrong as never));
  });

  it("finds nothing in pixels that are no numbers", async () => {
    for (const name of ["retinanet-resnet18-fpn", "mask-rcnn-resnet18-fpn"]) {
      using detector = await createDetector(name, { numClasses: 4, detection: { minSize: 32, maxSize: 32 } });
      for (const value of [NaN, Infinity]) {
        const pixels = Tensor.from(new Float32Array(3 * SIDE * SIDE).fill(value), [3, SIDE, SIDE]);
        expect((await detector.detect([pixels]))[0]!.scores.shape, `${name}, ${value}`).to.deep.equal([0]);
      }
    }
  });
});
