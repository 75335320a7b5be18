// Holds every network of the registry against PyTorch's values for the same weights.
import { expect } from "chai";
import { createModel, listModels, type Model } from "../../../lib/index.js";
import { filled, goldenImages } from "../../support/deterministic.js";
import { expectSummary, readModelGolden, type ModelCase, type ModelGolden } from "../../support/golden.js";
import { filledModel } from "../../support/networks.js";

// float64 on both sides: what differs is the order of summation. 110 layers turn the rounding of 1e-16 into at most 1e-14;
// the rest is room for other instruction sets.
const FLOAT64_TOLERANCE = 1e-10;
// float32 rounds to 6e-8, which the same growth turns into 6e-6.
const FLOAT32_TOLERANCE = 2e-5;

async function check(model: Model, golden: ModelGolden, expected: ModelCase, tolerance: number): Promise<void> {
  using images = goldenImages(golden.batch, expected.imageSize);
  const { logits, features } = await model.forward(images, { features: true, mode: expected.mode });
  expect(logits.dtype).to.equal(model.dtype);
  expectSummary(logits, expected.logits, tolerance, "logits");
  expect(features.map(({ name }) => name)).to.deep.equal(expected.features.map(({ name }) => name));
  for (const [i, want] of expected.features.entries()) {
    expectSummary(features[i]!.before, want.before, tolerance, `${want.name} before the activation`);
    expectSummary(features[i]!.after, want.after, tolerance, `${want.name} after the activation`);
  }
}

for (const { name, parameters, features, imageSize, numClasses } of listModels()) {
  describe(`${name} against PyTorch`, () => {
    const golden = readModelGolden(name);

    for (const expected of golden.cases) {
      const [height, width] = expected.imageSize;
      it(`gives the logits and features of ${expected.numClasses} classes in ${expected.mode} mode at ${height}×${width}`, async () => {
        using model = await filledModel(name, expected.numClasses);
        expect(model.parameterCount()).to.equal(expected.parameters);
        await check(model, golden, expected, FLOAT64_TOLERANCE);
      });
    }

    it("gives them in float32 as well", async () => {
      const expected = golden.cases[0]!;
      using model = await createModel(name, { numClasses: expected.numClasses, dtype: "float32" });
      await model.loadStateDict(filled(await model.stateDict()));
      await check(model, golden, expected, FLOAT32_TOLERANCE);
    });

    it("names its parameters and buffers as PyTorch does, in its order", async () => {
      using model = await createModel(name, { numClasses: 10 });
      const state = await model.stateDict();
      expect(Object.keys(state)).to.deep.equal(Object.keys(golden.stateDict));
      for (const [entry, shape] of Object.entries(golden.stateDict)) expect(state[entry]!.shape, entry).to.deep.equal(shape);
    });

    it("is listed with the parameters and stages of the published number of classes", async () => {
      expect(parameters).to.equal(golden.cases.find((expected) => expected.numClasses === numClasses)?.parameters);
      using model = await createModel(name, { numClasses });
      expect(features).to.deep.equal(model.featureSpecs(...imageSize));
    });
  });
}

describe("the goldens of networks", () => {
  it("hold two numbers of classes and an image that is not square for each", () => {
    for (const { name } of listModels()) {
      const { model, cases } = readModelGolden(name);
      expect(model).to.equal(name);
      expect(new Set(cases.map(({ numClasses }) => numClasses)).size, name).to.be.at.least(2);
      expect(cases.some(({ imageSize: [height, width] }) => height !== width), name).to.equal(true);
    }
  });

  it("are missed where a network has none", () => {
    expect(() => readModelGolden("resnet21")).to.throw("test/fixtures/goldens/models/resnet21.json");
  });
});
