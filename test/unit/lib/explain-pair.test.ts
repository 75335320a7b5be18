import { expect } from "chai";
import { explainPair, schemas } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";

/** Multiply-adds of one convolution: each output value sums over a kernel's area in all channels of its group. */
const convolution = (side: number, out: number, into: number, kernel: number, groups = 1): number =>
  side * side * out * (into / groups) * kernel * kernel;

describe("the explanation of a pair", () => {
  it("lists matched stages with channels and sizes, resized maps and the parameters of each fusion", async () => {
    const pair = await explainPair({ teacher: "resnet8x4", student: "mobilenetv2-half", numClasses: 5, batchSize: 2,
      midChannels: 4 });
    expect(schemas.PairExplanation.parse(pair)).to.deep.equal(pair);
    expect(pair).to.deep.include({ imageSize: [32, 32], numClasses: 5, batchSize: 2 });
    expect(pair.stages.map(({ student, teacher, resized }) => ({ student, teacher, resized }))).to.deep.equal([
      {
        student: { name: "blocks.2", channels: 16, height: 8, width: 8 },
        resized: true,
        teacher: { name: "layer1", channels: 64, height: 32, width: 32 },
      },
      {
        student: { name: "blocks.4", channels: 48, height: 4, width: 4 },
        resized: true,
        teacher: { name: "layer2", channels: 128, height: 16, width: 16 },
      },
      {
        student: { name: "blocks.6", channels: 160, height: 2, width: 2 },
        resized: true,
        teacher: { name: "layer3", channels: 256, height: 8, width: 8 },
      },
      {
        student: { name: "pool", channels: 1280, height: 1, width: 1 },
        resized: false,
        teacher: { name: "pool", channels: 256, height: 1, width: 1 },
      },
    ]);
    expect(pair.unmatched).to.deep.equal({ teacher: [],
      student: [{ name: "blocks.1", channels: 12, height: 16, width: 16 }] });
    // 1×1 into 4 channels, 3×3 out of them, both normalized; except for the deepest, a 1×1 attention with bias over 2 ·
    // 4 channels.
    const fusion = (into: number, out: number): number => into * 4 + 2 * 4 + 9 * 4 * out + 2 * out;
    const attention = 2 * 8 + 2;
    expect(pair.stages.map(({ parameters }) => parameters)).to.deep.equal([
      fusion(16, 64) + attention,
      fusion(48, 128) + attention,
      fusion(160, 256) + attention,
      fusion(1280, 256),
    ]);
    expect(pair.trainingOnly.parameters).to.equal(pair.stages.reduce((sum, { parameters }) => sum + parameters, 0));
  });

  it("agrees with multiply-adds counted by hand for ResNet-20, its teacher and the fusions", async () => {
    const pair = await explainPair({ teacher: "resnet14", student: "resnet20", batchSize: 2 });
    const resnet = (blocks: number): number =>
      [
        convolution(32, 16, 3, 3),
        2 * blocks * convolution(32, 16, 16, 3),
        convolution(16, 32, 16, 3),
        (2 * blocks - 1) * convolution(16, 32, 32, 3),
        convolution(16, 32, 16, 1),
        convolution(8, 64, 32, 3),
        (2 * blocks - 1) * convolution(8, 64, 64, 3),
        convolution(8, 64, 32, 1),
        64 * 100,
      ].reduce((sum, part) => sum + part, 0);
    expect(resnet(3)).to.equal(40_818_944);
    expect(pair.student.multiplyAdds).to.equal(resnet(3));
    expect(pair.teacher.multiplyAdds).to.equal(resnet(2));
    const fusion = (side: number, channels: number): number =>
      convolution(side, 64, channels, 1) + convolution(side, 2, 128, 1) + convolution(side, channels, 64, 3);
    const deepest = convolution(1, 64, 64, 1) + convolution(1, 64, 64, 3);
    expect(pair.trainingOnly.multiplyAdds).to.equal(fusion(32, 16) + fusion(16, 32) + fusion(8, 64) + deepest);
  });

  it("agrees with the known multiply-adds of ImageNet networks, also with depthwise convolutions", async () => {
    const pair = await explainPair({ teacher: "resnet18", student: "mobilenetv1", batchSize: 2, midChannels: 2 });
    expect(pair.imageSize).to.deep.equal([224, 224]);
    expect((pair.teacher.multiplyAdds / 1e9).toFixed(3)).to.equal("1.814");
    const separable = [
      [112, 32, 64],
      [56, 64, 128],
      [56, 128, 128],
      [28, 128, 256],
      [28, 256, 256],
      [14, 256, 512],
      ...Array.from({ length: 5 }, () => [14, 512, 512]),
      [7, 512, 1024],
      [7, 1024, 1024],
    ].reduce(
      (sum, [side = 0, into = 0, out = 0]) =>
        sum + convolution(side, into, into, 3, into) + convolution(side, out, into, 1),
      0,
    );
    expect(pair.student.multiplyAdds).to.equal(convolution(112, 32, 3, 3) + separable + 1024 * 1000);
  });

  it("sums the memory of parameters, momentum buffers and a step", async () => {
    const { memory, teacher, student, trainingOnly } = await explainPair({ teacher: "resnet14", student: "resnet8",
      batchSize: 16 });
    const trained = 4 * (student.parameters + trainingOnly.parameters);
    expect(memory.momentumBuffers).to.equal(trained);
    // Statistics: two of each normalized channel, and counters.
    expect(memory.state).to.be.within(trained + 4 * teacher.parameters, 1.1 * (trained + 4 * teacher.parameters));
    expect(memory.tensors).to.equal(memory.state + memory.momentumBuffers + memory.step);
    // Images and gradients, and much more.
    expect(memory.step).to.be.above(trained + 4 * 16 * 3 * 32 * 32);
    expect(memory.process).to.be.above(memory.tensors);
  });

  it("extrapolates consistently from measured to larger batches", async () => {
    const at = async (batchSize: number): Promise<number> =>
      (await explainPair({ teacher: "resnet8", student: "resnet8", imageSize: [16, 16], batchSize })).memory.step;
    const [four, eight, sixteen] = [await at(4), await at(8), await at(16)];
    // Activations grow with the batch, gradients do not, so the line starts above zero. Integer division rounds.
    expect(eight).to.be.within(1.5 * four, 2 * four);
    expect(sixteen - eight).to.be.closeTo(2 * (eight - four), 0.02 * eight);
  });
});

describe("a pair that cannot be explained", () => {
  it("has an unknown network, reported with the nearest name", async () => {
    for (const [teacher, student, role] of [["resnet57", "resnet8", "teacher"], ["resnet8", "resnet57",
      "student"]] as const) {
      const error = await failureOf("UNKNOWN_NAME", () => explainPair({ teacher, student }));
      expect(error.message).to.include(`received "resnet57"; did you mean "resnet56"?`);
      expect(error.message).to.match(new RegExp(`^invalid ${role}: expected `));
      expect(error.valid).to.include("shufflenetv1");
    }
  });

  it("has a batch of one image, or an image size that a network does not support", async () => {
    await failureOf("INVALID_ARGUMENT", () => explainPair({ teacher: "resnet8", student: "resnet8", batchSize: 1 }));
    await failureOf("INVALID_ARGUMENT",
      () => explainPair({ teacher: "resnet8", student: "resnet8", imageSize: [0, 8] }));
    await failureOf("SHAPE_MISMATCH", () => explainPair({ teacher: "vgg8", student: "resnet8", imageSize: [4, 4] }));
  });

  it("has an aborted signal", async () => {
    const pair = { teacher: "resnet8", student: "resnet8" };
    await failureOf("ABORTED", () => explainPair({ ...pair, signal: AbortSignal.abort() }));
    const controller = new AbortController();
    const explanation = explainPair({ ...pair, imageSize: [64, 64], signal: controller.signal });
    setTimeout(() => {
      controller.abort();
    }, 1);
    await failureOf("ABORTED", () => explanation);
  });
});
