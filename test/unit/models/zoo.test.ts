// Properties of every network of the registry. The goldens, also common to all, have their own file.
import { expect } from "chai";
import { createModel, listModels, type StateDict } from "../../../lib/index.js";
import { expectSpecsOfRealFeatures } from "../../support/network-checks.js";

// Networks with more parameters consist of the same layers as these.
const MANY_PARAMETERS = 5e6;

describe("the feature specs", () => {
  for (const { name } of listModels()) {
    // Strides and pooling produce uneven maps for this size.
    it(`of ${name} are the shapes of its real features at 33×47`, () => expectSpecsOfRealFeatures(name, [33, 47]));
  }
});

describe("the initialisation", () => {
  const draw = async (name: string, seed: number): Promise<StateDict> => {
    using model = await createModel(name, { numClasses: 7, seed });
    return await model.stateDict();
  };
  const bytes = (state: StateDict, name: string): Buffer => Buffer.from(state[name]!.toTypedArray().buffer);

  // A network is built in memory with arbitrary previous contents: an uninitialised value would differ between two
  // builds.
  for (const { name } of listModels().filter(({ name, parameters }) =>
    parameters < MANY_PARAMETERS || name === "resnet50-cifar"
  )) {
    it(`of ${name} depends only on the seed, down to the last value`, async () => {
      const [first, second, other] = [await draw(name, 1), await draw(name, 1), await draw(name, 2)];
      for (const [entry, { shape }] of Object.entries(first)) {
        expect(bytes(first, entry).equals(bytes(second, entry)), entry).to.equal(true);
        if (shape.length > 1)
          expect(bytes(first, entry).equals(bytes(other, entry)), `${entry} with another seed`).to.equal(false);
      }
    });
  }
});
