import { expect } from "chai";
import { createModel } from "../../../lib/index.js";
import { expectFreshNorms, expectNormal, expectSpecsOfRealFeatures, featuresOf,
  ODD_SIZES } from "../../support/network-checks.js";
import { valuesOf } from "../../support/numeric.js";

const NAME = "mobilenetv2-half";

describe("MobileNetV2 ×0.5", () => {
  it("has the published stages", async () => {
    using model = await createModel(NAME);
    expect(model.featureSpecs(32, 32)).to.deep.equal([
      { name: "blocks.1", channels: 12, height: 16, width: 16 },
      { name: "blocks.2", channels: 16, height: 8, width: 8 },
      { name: "blocks.4", channels: 48, height: 4, width: 4 },
      { name: "blocks.6", channels: 160, height: 2, width: 2 },
      { name: "pool", channels: 1280, height: 1, width: 1 },
    ]);
  });

  for (const size of ODD_SIZES) {
    it(`knows the shapes of its features at ${size.join("×")}`, () => expectSpecsOfRealFeatures(NAME, size));
  }

  it("ends each stage without an activation, so that both sides of it are one map", async () => {
    const { stages } = await featuresOf(NAME, [32, 24]);
    expect(stages).to.have.length(4);
    for (const { name, before, after } of stages) {
      expect(valuesOf(before), name).to.deep.equal(valuesOf(after));
      expect(valuesOf(after).some((value) => value < 0), name).to.equal(true);
    }
  });

  it("pools the last convolution's output of the last stage, which has no negative value", async () => {
    const { pool } = await featuresOf(NAME, [32, 24]);
    expect(valuesOf(pool.before)).to.deep.equal(valuesOf(pool.after));
    expect(Math.min(...valuesOf(pool.after))).to.be.at.least(0);
  });

  it("draws convolutions from N(0, 2 / fan_out), depthwise ones counting all of their channels, and the classifier from N(0, 0.01²)", async () => {
    using model = await createModel(NAME, { seed: 7 });
    const weights = Object.entries(await model.stateDict()).filter(([, { shape }]) => shape.length > 1);
    expect(weights).to.have.length(2 + 17 * 3 + 1);
    for (const [name, tensor] of weights) {
      const [out = 0, , height = 1, width = 1] = tensor.shape;
      expectNormal(valuesOf(tensor), name === "classifier.0.weight" ? 0.01 : Math.sqrt(2 / (out * height * width)),
        name);
    }
  });

  it("initialises the classifier's bias to 0 and batch normalization to the identity", async () => {
    using model = await createModel(NAME, { seed: 7 });
    expect(valuesOf((await model.stateDict())["classifier.0.bias"]!)).to.deep.equal(new Array(100).fill(0));
    expect(await expectFreshNorms(NAME)).to.equal(2 + 17 * 3);
  });
});
