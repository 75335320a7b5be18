import { expect } from "chai";
import { createModel } from "../../../lib/index.js";
import { expectFreshNorms, expectPool, expectRelu, expectSpecsOfRealFeatures, expectTorchDefault, featuresOf,
  ODD_SIZES } from "../../support/network-checks.js";

const NAME = "shufflenetv1";

describe("ShuffleNetV1", () => {
  it("has the published stages, each half the size of the previous one", async () => {
    using model = await createModel(NAME);
    expect(model.featureSpecs(32, 32)).to.deep.equal([
      { name: "layer1", channels: 240, height: 16, width: 16 },
      { name: "layer2", channels: 480, height: 8, width: 8 },
      { name: "layer3", channels: 960, height: 4, width: 4 },
      { name: "pool", channels: 960, height: 1, width: 1 },
    ]);
  });

  for (const size of ODD_SIZES) {
    it(`knows the shapes of its features at ${size.join("×")}`, () => expectSpecsOfRealFeatures(NAME, size));
  }

  it("has the published 0.949 million parameters at 100 classes", async () => {
    using model = await createModel(NAME, { numClasses: 100 });
    expect(model.parameterCount()).to.equal(949_258);
  });

  it("ends each stage with a ReLU and keeps its input", async () => {
    const { stages, pool } = await featuresOf(NAME, [16, 24]);
    expect(stages).to.have.length(3);
    stages.forEach(expectRelu);
    expectPool(pool, stages.at(-1)!);
  });

  it("splits every 1×1 convolution into three groups except the first, which has only 24 channels", async () => {
    using model = await createModel(NAME);
    const state = await model.stateDict();
    const shape = (entry: string): readonly number[] => state[`${entry}.weight`]!.shape;
    expect(shape("layer1.0.conv1")).to.deep.equal([54, 24, 1, 1]);
    expect(shape("layer1.0.conv3")).to.deep.equal([216, 18, 1, 1]);
    expect(shape("layer1.1.conv1")).to.deep.equal([60, 80, 1, 1]);
    expect(shape("layer3.0.conv1")).to.deep.equal([120, 160, 1, 1]);
    expect(shape("layer3.0.conv2")).to.deep.equal([120, 1, 3, 3]);
    expect(shape("layer3.0.conv3")).to.deep.equal([480, 40, 1, 1]);
  });

  it("is initialised with PyTorch's defaults, like the published code", async () => {
    await expectTorchDefault(NAME);
    expect(await expectFreshNorms(NAME)).to.equal(1 + 3 * 16);
  });
});
