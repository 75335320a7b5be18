import { expect } from "chai";
import { createModel } from "../../../lib/index.js";
import { goldenImages } from "../../support/deterministic.js";
import { expectFreshNorms, expectNormal, expectSpecsOfRealFeatures, expectUniform, fanOutDeviation,
  ODD_SIZES } from "../../support/network-checks.js";
import { filledModel } from "../../support/networks.js";
import { expectAllNear, valuesOf } from "../../support/numeric.js";

describe("the feature specs of a Wide ResNet", () => {
  for (const size of ODD_SIZES) {
    it(`are the shapes of its real features at ${size.join("×")}`, () => expectSpecsOfRealFeatures("wrn-16-1", size));
  }

  it("name three blocks and the pool, with channels in multiples of 16, 32 and 64", async () => {
    for (const [name, width] of [["wrn-16-1", 1], ["wrn-40-2", 2]] as const) {
      using model = await createModel(name);
      expect(model.featureSpecs(32, 32)).to.deep.equal([
        { name: "block1", channels: 16 * width, height: 32, width: 32 },
        { name: "block2", channels: 32 * width, height: 16, width: 16 },
        { name: "block3", channels: 64 * width, height: 8, width: 8 },
        { name: "pool", channels: 64 * width, height: 1, width: 1 },
      ]);
    }
  });
});

describe("the features of a Wide ResNet", () => {
  // The first block of wrn-16-1 keeps its channels, and therefore the raw input as its shortcut.
  for (const name of ["wrn-16-1", "wrn-16-2"]) {
    it(`are the raw sums of ${name}, and the output of the next normalization`, async () => {
      using model = await filledModel(name, 10);
      const { features } = await model.forward(goldenImages(2, [10, 12]), { features: true });
      const state = await model.stateDict();
      for (const [stage, norm] of ["block2.layer.0.bn1", "block3.layer.0.bn1", "bn1"].entries()) {
        const { before, after } = features[stage]!;
        const raw = valuesOf(after);
        expect(raw.some((value) => value < 0), "a raw sum has negative values").to.equal(true);
        const [scale, shift, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map((entry) =>
          valuesOf(state[`${norm}.${entry}`]!)
        );
        const [, channels, height, width] = after.shape;
        const normalized = raw.map((value, index) => {
          const channel = Math.floor(index / (height! * width!)) % channels!;
          return ((value - mean![channel]!) / Math.sqrt(variance![channel]! + 1e-5)) * scale![channel]! +
            shift![channel]!;
        });
        expectAllNear(valuesOf(before), normalized, 1e-13, norm); // a few roundings in float64
      }
    });
  }

  it("end with the mean over the activated last map", async () => {
    using model = await filledModel("wrn-16-1", 10);
    const { features } = await model.forward(goldenImages(1, [8, 8]), { features: true });
    const [deepest, pool] = features.slice(-2);
    const active = valuesOf(deepest!.before).map((value) => Math.max(value, 0));
    const means = Array.from({ length: 64 },
      (_, channel) => active.slice(channel * 4, channel * 4 + 4).reduce((a, b) => a + b) / 4);
    expectAllNear(valuesOf(pool!.after), means, 1e-13, "pool");
  });

  it("cost no statistics of their own: a pass in train mode updates each normalization once", async () => {
    // Differs from the reference: there the normalization runs again for the features, and its statistics are updated
    // twice.
    using model = await createModel("wrn-16-1", { seed: 1 });
    await model.forward(goldenImages(2, [8, 8]), { mode: "train", features: true });
    const counters = Object.entries(await model.stateDict()).filter(([name]) => name.endsWith("num_batches_tracked"));
    expect(counters).to.have.length(6 * 2 + 1);
    for (const [name, tensor] of counters) expect(valuesOf(tensor), name).to.deep.equal([1]);
  });
});

describe("the shortcuts of a Wide ResNet", () => {
  it("are projections if the channels change, and only then", async () => {
    const projections = async (name: string): Promise<string[]> => {
      using model = await createModel(name);
      return Object.keys(await model.stateDict()).filter((entry) => entry.includes("convShortcut"));
    };
    const deeper = ["block2.layer.0.convShortcut.weight", "block3.layer.0.convShortcut.weight"];
    expect(await projections("wrn-40-1")).to.deep.equal(deeper);
    expect(await projections("wrn-40-2")).to.deep.equal(["block1.layer.0.convShortcut.weight", ...deeper]);
  });
});

describe("the initialisation of a Wide ResNet", () => {
  it("draws convolutions from N(0, 2 / fan_out) and the classifier from ±1/√fan_in without a bias", async () => {
    using model = await createModel("wrn-16-2", { numClasses: 100, seed: 7 });
    const state = await model.stateDict();
    const convolutions = Object.entries(state).filter(([, { shape }]) => shape.length === 4);
    expect(convolutions).to.have.length(1 + 6 * 2 + 3);
    for (const [name, tensor] of convolutions) expectNormal(valuesOf(tensor), fanOutDeviation(tensor.shape), name);
    expectUniform(valuesOf(state["fc.weight"]!), 1 / Math.sqrt(128), "fc.weight");
    expect(valuesOf(state["fc.bias"]!)).to.deep.equal(new Array(100).fill(0));
    expect(await expectFreshNorms("wrn-16-2")).to.equal(6 * 2 + 1);
  });
});
