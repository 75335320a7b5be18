import { expect } from "chai";
import { createModel, type Model } from "../../../lib/index.js";
import { goldenImages } from "../../support/deterministic.js";
import { failureOf } from "../../support/errors.js";
import { expectFreshNorms, expectNormal, expectPool, expectRelu, expectSpecsOfRealFeatures, fanOutDeviation,
  featuresOf } from "../../support/network-checks.js";
import { valuesOf } from "../../support/numeric.js";

describe("the feature specs of a VGG network", () => {
  let model: Model;
  before(async () => {
    model = await createModel("vgg8", { seed: 1 });
  });
  after(() => {
    model.dispose();
  });

  const stagesAt = (height: number, width: number): string[] =>
    model.featureSpecs(height, width).map((stage) => `${stage.name} ${stage.channels}@${stage.height}×${stage.width}`);

  it("name four blocks and the pool: the first block is not a stage", () => {
    expect(stagesAt(32, 32)).to.deep.equal(["block1 128@16×16", "block2 256@8×8", "block3 512@4×4", "block4 512@4×4",
      "pool 512@1×1"]);
  });

  it("have an additional pooling at a height of 64, and only there", () => {
    expect(stagesAt(64, 64)).to.deep.equal(["block1 128@32×32", "block2 256@16×16", "block3 512@8×8", "block4 512@4×4",
      "pool 512@1×1"]);
    expect(stagesAt(48, 64).slice(2, 4)).to.deep.equal(["block3 512@6×8", "block4 512@6×8"]);
    expect(stagesAt(65, 64).slice(2, 4)).to.deep.equal(["block3 512@8×8", "block4 512@8×8"]);
  });

  it("round odd sizes down, as pooling does", () => {
    expect(stagesAt(33, 47).slice(0, 4)).to.deep.equal(["block1 128@16×23", "block2 256@8×11", "block3 512@4×5",
      "block4 512@4×5"]);
  });

  for (const size of [[33, 47], [64, 33], [64, 16], [63, 9], [8, 8]] as const) {
    it(`are the shapes of the real features at ${size.join("×")}`, () => expectSpecsOfRealFeatures("vgg8", size));
  }

  for (const [height, width, smallest] of [[7, 32, "8×8"], [32, 7, "8×8"], [64, 15, "16×16"]] as const) {
    it(`reject ${height}×${width}, of which pooling would leave nothing`, async () => {
      const message =
        `invalid images: expected at least ${smallest} pixels for this network, received ${height}×${width}. Use larger images.`;
      expect((await failureOf("SHAPE_MISMATCH", () => model.featureSpecs(height, width))).message).to.equal(message);
      expect((await failureOf("SHAPE_MISMATCH", () => model.forward(goldenImages(1, [height, width])))).message).to
        .equal(message);
    });
  }
});

describe("the features of a VGG network", () => {
  it("are the output of a block's last normalization, and its ReLU", async () => {
    const { stages, pool } = await featuresOf("vgg11", [16, 12]);
    expect(stages).to.have.length(4);
    stages.forEach(expectRelu);
    expectPool(pool, stages.at(-1)!);
  });
});

describe("the initialisation of a VGG network", () => {
  it("draws convolutions from N(0, 2 / fan_out) and the classifier from N(0, 0.01²), without biases", async () => {
    using model = await createModel("vgg8", { numClasses: 100, seed: 7 });
    const state = await model.stateDict();
    for (const block of [0, 1, 2, 3, 4]) {
      const weight = state[`block${block}.0.weight`]!;
      expectNormal(valuesOf(weight), fanOutDeviation(weight.shape), `block${block}.0.weight`);
    }
    expectNormal(valuesOf(state["classifier.weight"]!), 0.01, "classifier.weight");
    const biases = Object.entries(state).filter(([name]) => /^(block\d\.0|classifier)\.bias$/.test(name));
    expect(biases).to.have.length(5 + 1);
    for (const [name, tensor] of biases) expect(valuesOf(tensor).every((value) => value === 0), name).to.equal(true);
    expect(await expectFreshNorms("vgg8")).to.equal(5);
  });
});
