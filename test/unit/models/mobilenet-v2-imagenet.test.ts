import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createModel, writeStateDict } from "../../../lib/index.js";
import { expectSameState, renamed } from "../../support/detector-files.js";
import { expectSpecsOfRealFeatures, featuresOf, ODD_SIZES } from "../../support/network-checks.js";
import { valuesOf } from "../../support/numeric.js";

const NAME = "mobilenetv2";

describe("MobileNetV2 for ImageNet", () => {
  it("has the published stages", async () => {
    using model = await createModel(NAME);
    expect(model.featureSpecs(224, 224)).to.deep.equal([
      { name: "features.3", channels: 24, height: 56, width: 56 },
      { name: "features.6", channels: 32, height: 28, width: 28 },
      { name: "features.13", channels: 96, height: 14, width: 14 },
      { name: "features.17", channels: 320, height: 7, width: 7 },
      { name: "pool", channels: 1280, height: 1, width: 1 },
    ]);
  });

  for (const size of ODD_SIZES) {
    it(`knows the shapes of its features at ${size.join("×")}`, () => expectSpecsOfRealFeatures(NAME, size));
  }

  it("has the published 3.50 million parameters at 1,000 classes", async () => {
    using model = await createModel(NAME, { numClasses: 1000 });
    expect((model.parameterCount() / 1e6).toFixed(2)).to.equal("3.50");
  });

  it("loads strictly by torchvision's names, with or without a prefix", async () => {
    using model = await createModel(NAME, { numClasses: 3, seed: 4 });
    const state = await model.stateDict();
    const folder = await mkdtemp(join(tmpdir(), "reviewkd-mobilenet-"));
    try {
      for (const prefix of ["", "module."]) {
        const path = join(folder, "mobilenet_v2.pth");
        await writeStateDict(path, renamed(state, (name) => prefix + name));
        using loaded = await createModel(NAME, { numClasses: 3, weights: path });
        expectSameState(await loaded.stateDict(), state);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
    expect(Object.keys(state)).to.include.members(["features.0.0.weight", "features.1.conv.0.0.weight",
      "features.1.conv.1.weight", "features.2.conv.2.weight", "features.17.conv.3.running_var", "features.18.1.bias",
      "classifier.1.weight"]).and.to.have.length(314);
  });

  it("ends each stage with a linear bottleneck", async () => {
    const { stages, pool } = await featuresOf(NAME, [64, 40]);
    expect(stages).to.have.length(4);
    for (const { name, before, after } of stages) {
      expect(valuesOf(after), name).to.deep.equal(valuesOf(before));
      expect(Math.min(...valuesOf(after)), name).to.be.below(0);
    }
    expect(pool.after.shape).to.deep.equal([2, 1280, 1, 1]);
  });

  it("draws convolutions by He's rule for outputs, and a narrow classifier without biases", async () => {
    using model = await createModel(NAME, { numClasses: 10, seed: 1 });
    const state = await model.stateDict();
    // n values: the deviation is known to 1 / √2n of itself, five times which is room enough.
    const deviation = (name: string): number => {
      const values = state[name]!.toTypedArray() as Float32Array;
      return Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length);
    };
    expect(deviation("features.18.0.weight") / Math.sqrt(2 / 1280)).to.be.closeTo(1, 5 / Math.sqrt(2 * 320 * 1280));
    expect(deviation("classifier.1.weight") / 0.01).to.be.closeTo(1, 5 / Math.sqrt(2 * 12_800));
    expect(Math.max(...(state["classifier.1.bias"]!.toTypedArray() as Float32Array).map(Math.abs))).to.equal(0);
  });
});
