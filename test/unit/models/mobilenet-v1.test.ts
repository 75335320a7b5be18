import { expect } from "chai";
import { createModel } from "../../../lib/index.js";
import { expectFreshNorms, expectPool, expectRelu, expectSpecsOfRealFeatures, expectTorchDefault, featuresOf,
  ODD_SIZES } from "../../support/network-checks.js";

const NAME = "mobilenetv1";

describe("MobileNetV1", () => {
  it("has the published stages", async () => {
    using model = await createModel(NAME);
    expect(model.featureSpecs(224, 224)).to.deep.equal([
      { name: "model.3", channels: 128, height: 56, width: 56 },
      { name: "model.5", channels: 256, height: 28, width: 28 },
      { name: "model.11", channels: 512, height: 14, width: 14 },
      { name: "model.13", channels: 1024, height: 7, width: 7 },
      { name: "pool", channels: 1024, height: 1, width: 1 },
    ]);
  });

  for (const size of ODD_SIZES) {
    it(`knows the shapes of its features at ${size.join("×")}`, () => expectSpecsOfRealFeatures(NAME, size));
  }

  it("has the published 4.23 million parameters at 1,000 classes", async () => {
    using model = await createModel(NAME, { numClasses: 1000 });
    expect((model.parameterCount() / 1e6).toFixed(2)).to.equal("4.23");
  });

  it("ends each stage with a ReLU and keeps its input", async () => {
    const { stages, pool } = await featuresOf(NAME, [64, 40]);
    expect(stages).to.have.length(4);
    stages.forEach(expectRelu);
    expectPool(pool, stages.at(-1)!);
  });

  it("is initialised with PyTorch's defaults, like the published code", async () => {
    await expectTorchDefault(NAME);
    expect(await expectFreshNorms(NAME)).to.equal(1 + 2 * 13);
  });
});
