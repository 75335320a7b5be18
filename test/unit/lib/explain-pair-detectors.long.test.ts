import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { createDetector, createDistiller, createSession, explainPair, schemas, Tensor } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { testingAddon } from "../../support/testing-addon.js";

/** Height and width of a map. */
type Size = readonly [height: number, width: number];

const CHANNELS = 256;
const CLASSES = 91;

const area = ([height, width]: Size): number => height * width;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
/** Multiply-adds of a convolution: each output value sums over a kernel's area in all channels. */
const convolution = (size: Size, into: number, out: number, kernel: number): number =>
  area(size) * out * into * kernel ** 2;

/** The maps of an image whose sides are multiples of 32, from stride 4 on. */
function mapsOf([height, width]: Size, count: number): Size[] {
  return Array.from({ length: count }, (_, index): Size => {
    // p6 and p7 halve the map before them, rounded up.
    const stride = 2 ** (index + 2);
    return [Math.ceil(height / stride), Math.ceil(width / stride)];
  });
}

/** ResNet-18 up to its last stage. */
function body([height, width]: Size): number {
  const [c2, c3, c4, c5] = mapsOf([height, width], 4) as [Size, Size, Size, Size];
  const stage = (size: Size, into: number, out: number): number =>
    convolution(size, into, out, 3) + 3 * convolution(size, out, out, 3) +
    (into === out ? 0 : convolution(size, into, out, 1));
  return convolution([height / 2, width / 2], 3, 64, 7) + stage(c2, 64, 64) + stage(c3, 64, 128) + stage(c4, 128, 256) +
    stage(c5, 256, 512);
}

/** Lateral and output convolutions of the levels with a stage of ResNet-18. */
const pyramid = (maps: readonly Size[], channels: readonly number[]): number =>
  sum(maps.map((size, index) =>
    convolution(size, channels[index] ?? 0, CHANNELS, 1) +
    convolution(size, CHANNELS, CHANNELS, 3)
  ));

/** The fusions of levels, all as wide as their pyramids; all but the deepest have attention. */
const fusions = (maps: readonly Size[]): number =>
  sum(maps.map((size, index) =>
    convolution(size, CHANNELS, CHANNELS, 1) + convolution(size, CHANNELS, CHANNELS, 3) +
    (index === maps.length - 1 ? 0 : convolution(size, 2 * CHANNELS, 2, 1))
  ));

/** 1×1 and 3×3 with their norms; but for the deepest level, attention with bias. */
const FUSION = 256 ** 2 * (1 + 9) + 4 * 256;
const ATTENTION = 2 * 512 + 2;

describe("the explanation of a pair of detectors", function () {
  // Steps of whole detectors are measured.
  this.timeout(120_000);
  const size = [96, 128] as const;
  const maps = mapsOf(size, 6);

  it("has levels of the same name, fusions, and the parameters of torchvision's detector", async () => {
    const pair = await explainPair({ teacher: "faster-rcnn-resnet50-fpn", student: "faster-rcnn-resnet18-fpn",
      imageSize: [90, 100] });
    expect(schemas.PairExplanation.parse(pair)).to.deep.equal(pair);
    expect(pair).to.deep.include({ imageSize: [90, 100], inputSize: [96, 128], numClasses: CLASSES, batchSize: 2 });
    const levels = maps.slice(0, 5).map(([height, width], index) => ({ name: `p${index + 2}`, channels: CHANNELS,
      height, width })
    );
    expect(pair.stages).to.deep.equal(
      levels.map((level, index) => ({ student: level, teacher: level, resized: false,
        parameters: FUSION + (index === 4 ? 0 : ATTENTION) })
      ),
    );
    expect(pair.unmatched).to.deep.equal({ teacher: [], student: [] });
    expect(pair.trainingOnly.parameters).to.equal(3_286_024);
    expect(pair.teacher.parameters).to.equal(41_755_286);
    // Without the RPN's head, fc6, fc7 and the two class layers.
    const heads = 9 * 256 ** 2 + 256 + 15 * 257 + 12_545 * 1024 + 1025 * 1024 + 1025 * 5 * CLASSES;
    expect(pair.teacher.pyramid?.parameters).to.equal(41_755_286 - heads);
    expect(pair.student.pyramid?.parameters).to.equal(pair.student.parameters - heads);
  });

  it("agrees with multiply-adds counted by hand for Mask R-CNN under Faster R-CNN", async () => {
    const pair = await explainPair({ teacher: "faster-rcnn-resnet18-fpn", student: "mask-rcnn-resnet18-fpn",
      imageSize: [...size] });
    const shared = body(size) + pyramid(maps.slice(0, 4), [64, 128, 256, 512]);
    expect(pair.student.pyramid?.multiplyAdds).to.equal(shared);
    expect(pair.teacher.pyramid?.multiplyAdds).to.equal(shared);
    expect(pair.trainingOnly.multiplyAdds).to.equal(fusions(maps.slice(0, 5)));
    const rpn = sum(maps.slice(0, 5).map((map) =>
      convolution(map, CHANNELS, CHANNELS, 3) +
      convolution(map, CHANNELS, 3 * (1 + 4), 1)
    ));
    const boxHead = 1000 * (CHANNELS * 49 * 1024 + 1024 ** 2 + 1024 * 5 * CLASSES);
    expect(pair.teacher.multiplyAdds).to.equal(shared + rpn + boxHead);
    expect(pair.teacher.regions).to.deep.equal({ proposals: 1000, masks: 0 });
    // Four convolutions, the transposed one, and the logits of the object's class alone.
    const mask = 4 * convolution([14, 14], CHANNELS, CHANNELS, 3) + convolution([28, 28], CHANNELS, CHANNELS, 1) +
      convolution([28, 28], CHANNELS, 1, 1);
    expect(pair.student.multiplyAdds).to.equal(shared + rpn + boxHead + 100 * mask);
    expect(pair.student.regions).to.deep.equal({ proposals: 1000, masks: 100 });
  });

  it("lists levels without a match for a pair of other kinds, also of other backbones", async () => {
    const pair = await explainPair({ teacher: "faster-rcnn-mobilenetv2-fpn", student: "retinanet-resnet18-fpn",
      imageSize: [...size], numClasses: 5, batchSize: 2 });
    expect(pair.stages.map(({ student, teacher }) => [student.name, teacher.name])).to.deep.equal(
      ["p3", "p4", "p5", "p6"].map((name) => [name, name]),
    );
    expect(pair.unmatched).to.deep.equal({ teacher: [{ name: "p2", channels: CHANNELS, height: 24, width: 32 }],
      student: [{ name: "p7", channels: CHANNELS, height: 1, width: 1 }] });
    expect(pair.trainingOnly.multiplyAdds).to.equal(fusions(maps.slice(1, 5)));
    const extra = sum(maps.slice(4, 6).map((map) => convolution(map, CHANNELS, CHANNELS, 3)));
    const shared = body(size) + pyramid(maps.slice(1, 4), [128, 256, 512]) + extra;
    expect(pair.student.pyramid?.multiplyAdds).to.equal(shared);
    const heads = sum(maps.slice(1).map((map) =>
      8 * convolution(map, CHANNELS, CHANNELS, 3) +
      convolution(map, CHANNELS, 9 * (5 + 4), 3)
    ));
    expect(pair.student.multiplyAdds).to.equal(shared + heads);
    expect(pair.student.regions).to.equal(null);
  });

  it("has the memory of a step, as it is measured, or extrapolated to larger batches", async () => {
    const names = { teacher: "faster-rcnn-resnet18-fpn", student: "faster-rcnn-mobilenetv2-fpn" } as const;
    const side = 256;
    const at = async (batchSize: number) =>
      (await explainPair({ ...names, imageSize: [side, side], batchSize })).memory;
    const [one, two, four] = [await at(1), await at(2), await at(4)];
    expect(one.tensors).to.equal(one.state + one.momentumBuffers + one.step);
    expect([one.state, one.momentumBuffers]).to.deep.equal([four.state, four.momentumBuffers]);
    expect(two.step).to.be.above(one.step);
    // The counts of proposals vary a little between steps.
    expect(four.step - two.step).to.be.closeTo(2 * (two.step - one.step), 0.1 * two.step);
    expect(four.process).to.be.above(four.tensors);

    const images = Array.from({ length: 4 },
      (_, index) =>
        Tensor.from(Float32Array.from({ length: 3 * side ** 2 }, (_value, i) => ((i * (index + 7)) % 101) / 101), [3,
          side, side]));
    const targets = images.map(() => ({ boxes: Tensor.from(Float32Array.of(20, 30, 120, 200, 5, 5, 50, 70), [2, 4]),
      labels: Tensor.from(BigInt64Array.of(1n, 2n), [2]) })
    );
    const before = testingAddon().heldMemory().tensors;
    const detection = { norm: "frozen", trainableLayers: 3, minSize: null } as const;
    using teacher = await createDetector(names.teacher, { detection });
    using student = await createDetector(names.student, { detection });
    using distiller = await createDistiller({ teacher, student });
    using session = await createSession({ distiller, threads: 1 });
    await session.step({ images, targets });
    let most = 0;
    const readings = setInterval(() => {
      most = Math.max(most, testingAddon().heldMemory().tensors - before);
    }, 1);
    await session.step({ images, targets });
    clearInterval(readings);
    // Blocks are larger than their tensors; the peak may fall between two readings.
    expect(most).to.be.within(0.9 * four.tensors, 1.1 * four.process);
  });

  it("is that of batches of two and three images where a level has a single value", async () => {
    const pair = { teacher: "retinanet-resnet18-fpn", student: "retinanet-resnet18-fpn",
      imageSize: [64, 64] as [number, number] };
    expect((await explainPair({ ...pair, batchSize: 4 })).memory.step).to.be.above(0);
    await failureOf("BATCH_TOO_SMALL", () => explainPair({ ...pair, batchSize: 1 }));
  });

  it("does not overflow for the deepest backbones, whose first values are random", async () => {
    const { memory } = await explainPair({ teacher: "mask-rcnn-resnet152-fpn", student: "mask-rcnn-resnet152-fpn",
      imageSize: [64, 96] });
    expect(memory.step).to.be.above(0);
  });
});

describe("a pair with a detector that cannot be explained", () => {
  it("has an unknown one, or a classifier", async () => {
    const student = "faster-rcnn-resnet18-fpn";
    const unknown = await failureOf("UNKNOWN_NAME",
      () => explainPair({ teacher: "faster-rcnn-resnet81-fpn", student }));
    expect(unknown.message).to.match(
      /^invalid teacher: expected faster-rcnn-BACKBONE-fpn, .* did you mean "faster-rcnn-resnet18-fpn"\?$/,
    );
    const misspelled = await failureOf("UNKNOWN_NAME",
      () => explainPair({ teacher: student, student: "faster_rcnn_resnet18_fpn" }));
    expect(misspelled.message).to.match(/^invalid student: .* did you mean "faster-rcnn-resnet18-fpn"\?$/);
    const mixed = await failureOf("INVALID_ARGUMENT", () => explainPair({ teacher: "resnet50", student }));
    expect(mixed.message).to.equal(
      "invalid teacher: expected a detector as the student faster-rcnn-resnet18-fpn is, received resnet50. Both must be classifiers, or both detectors.",
    );
  });

  it("has a batch of one image and a level with a single value, with the option to change", async () => {
    const { message } = await failureOf("BATCH_TOO_SMALL",
      () =>
        explainPair({ teacher: "retinanet-resnet18-fpn", student: "retinanet-resnet18-fpn", numClasses: 5, batchSize: 1,
          imageSize: [64, 64] }));
    expect(message).to.match(/^invalid batchSize in pair options: expected at least 2 for images of 64×64, received 1/)
      .and.include("--image-size").and.not.include("last batch");
  });

  it("has no class but the background", async () => {
    const pair = { teacher: "retinanet-resnet18-fpn", student: "faster-rcnn-resnet18-fpn" };
    const { message } = await failureOf("INVALID_ARGUMENT", () => explainPair({ ...pair, numClasses: 1 }));
    expect(message).to.match(/^invalid numClasses in pair options: expected a whole number ≥ 2 .*, received 1\.$/);
  });

  it("has an aborted signal", async () => {
    const controller = new AbortController();
    const explanation = explainPair({ teacher: "retinanet-resnet18-fpn", student: "retinanet-mobilenetv2-fpn",
      imageSize: [128, 128], signal: controller.signal });
    void setTimeout(1).then(() => {
      controller.abort();
    });
    await failureOf("ABORTED", () => explanation);
  });
});
