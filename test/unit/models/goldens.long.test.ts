// Compares every network of the registry with PyTorch's values for the same weights.
import { expect } from "chai";
import { createModel, listModels, type Model, type StateDict } from "../../../lib/index.js";
import { filled, goldenImages } from "../../support/deterministic.js";
import { expectSummary, readModelGolden, type ModelCase, type ModelGolden } from "../../support/golden.js";

// float64 on both sides: the difference is the order of summation. 110 layers turn the rounding of 1e-16 into at most
// 1e-14; the rest is room for other instruction sets.
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

interface FilledModel {
  readonly model: Model;
  readonly values: StateDict;
}

for (const { name, parameters, features, imageSize, numClasses } of listModels()) {
  describe(`${name} against PyTorch`, () => {
    const golden = readModelGolden(name);
    // Drawing and filling tens of millions of parameters dominates the run time: tests of a network share it.
    const models = new Map<number, FilledModel>();

    /** The float64 network for this many classes, every entry with the value of its name. */
    async function filledModel(numClasses: number): Promise<FilledModel> {
      let entry = models.get(numClasses);
      if (entry === undefined) {
        const model = await createModel(name, { numClasses, dtype: "float64" });
        // Another number of classes changes only the classifier; the rest is already filled.
        const known = [...models.values()][0]?.values ?? {};
        const others = Object.entries(await model.stateDict()).filter(([name, { shape }]) =>
          known[name]?.shape.join() !== shape.join()
        );
        entry = { model, values: { ...known, ...filled(Object.fromEntries(others)) } };
        models.set(numClasses, entry);
      }
      await entry.model.loadStateDict(entry.values); // a pass in train mode updates statistics
      return entry;
    }

    after(() => {
      for (const { model } of models.values()) model.dispose();
      models.clear();
    });

    for (const expected of golden.cases) {
      const [height, width] = expected.imageSize;
      it(`gives the logits and features of ${expected.numClasses} classes in ${expected.mode} mode at ${height}×${width}`, async () => {
        const { model } = await filledModel(expected.numClasses);
        expect(model.parameterCount()).to.equal(expected.parameters);
        await check(model, golden, expected, FLOAT64_TOLERANCE);
      });
    }

    it("gives them in float32 as well", async () => {
      const expected = golden.cases[0]!;
      const { values } = await filledModel(expected.numClasses);
      using model = await createModel(name, { numClasses: expected.numClasses, dtype: "float32" });
      await model.loadStateDict(values);
      await check(model, golden, expected, FLOAT32_TOLERANCE);
    });

    it("names its parameters and buffers like PyTorch, in the same order", async () => {
      const { values } = await filledModel(10);
      expect(Object.keys(values)).to.deep.equal(Object.keys(golden.stateDict));
      for (const [entry, shape] of Object.entries(golden.stateDict))
        expect(values[entry]!.shape, entry).to.deep.equal(shape);
    });

    it("is listed with the parameters and stages of the published number of classes", async () => {
      expect(parameters).to.equal(golden.cases.find((expected) => expected.numClasses === numClasses)?.parameters);
      const { model } = await filledModel(numClasses);
      expect(features).to.deep.equal(model.featureSpecs(...imageSize));
    });
  });
}

describe("the goldens of networks", () => {
  it("cover two numbers of classes and a non-square image each", () => {
    for (const { name } of listModels()) {
      const { model, cases } = readModelGolden(name);
      expect(model).to.equal(name);
      expect(new Set(cases.map(({ numClasses }) => numClasses)).size, name).to.be.at.least(2);
      expect(cases.some(({ imageSize: [height, width] }) => height !== width), name).to.equal(true);
    }
  });

  it("report a network without one", () => {
    expect(() => readModelGolden("resnet21")).to.throw("test/fixtures/goldens/models/resnet21.json");
  });
});
