import { expect } from "chai";
import { createModel } from "../../../lib/index.js";
import { FeatureMap } from "../../support/maps.js";
import { expectFreshNorms, expectSpecsOfRealFeatures, expectTorchDefault, featuresOf,
  ODD_SIZES } from "../../support/network-checks.js";
import { valuesOf } from "../../support/numeric.js";

const NAME = "shufflenetv2";

describe("ShuffleNetV2", () => {
  it("has the published stages, each half the size of the previous one, and a wider pool", async () => {
    using model = await createModel(NAME);
    expect(model.featureSpecs(32, 32)).to.deep.equal([
      { name: "layer1", channels: 116, height: 16, width: 16 },
      { name: "layer2", channels: 232, height: 8, width: 8 },
      { name: "layer3", channels: 464, height: 4, width: 4 },
      { name: "pool", channels: 1024, height: 1, width: 1 },
    ]);
  });

  for (const size of ODD_SIZES) {
    it(`knows the shapes of its features at ${size.join("×")}`, () => expectSpecsOfRealFeatures(NAME, size));
  }

  it("has the published 1.356 million parameters at 100 classes", async () => {
    using model = await createModel(NAME, { numClasses: 100 });
    expect((model.parameterCount() / 1e6).toFixed(3)).to.equal("1.356");
  });

  it("ends each stage with a ReLU on half of the channels and a shuffle of both halves; before them, the halves are concatenated", async () => {
    const { stages } = await featuresOf(NAME, [16, 24]);
    expect(stages).to.have.length(3);
    for (const { name, before, after } of stages) {
      const raw = FeatureMap.of(before);
      const half = raw.c / 2;
      const want = FeatureMap.from(raw.n, raw.c, raw.h, raw.w, (n, c, y, x) =>
        c % 2 === 0 ? raw.at(n, c / 2, y, x) : Math.max(0, raw.at(n, half + (c - 1) / 2, y, x)));
      expect(valuesOf(after), name).to.deep.equal(Array.from(want.values));
      const convolved = FeatureMap.from(raw.n, half, raw.h, raw.w, (n, c, y, x) => raw.at(n, half + c, y, x));
      expect(convolved.values.some((value) => value < 0), `${name} before the activation`).to.equal(true);
    }
  });

  it("pools the last convolution's output of the last stage, which has no negative value", async () => {
    const { pool } = await featuresOf(NAME, [16, 24]);
    expect(valuesOf(pool.before)).to.deep.equal(valuesOf(pool.after));
    expect(Math.min(...valuesOf(pool.after))).to.be.at.least(0);
  });

  it("is initialised with PyTorch's defaults, like the published code", async () => {
    await expectTorchDefault(NAME);
    expect(await expectFreshNorms(NAME)).to.equal(2 + 3 * 5 + 3 * 13);
  });
});
