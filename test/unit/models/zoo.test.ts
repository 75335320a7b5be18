// What holds for every network of the registry. Goldens, which do so too, have a file of their own.
import { expect } from "chai";
import { createModel, listModels, type StateDict } from "../../../lib/index.js";
import { expectSpecsOfRealFeatures } from "../../support/network-checks.js";

// Networks with more parameters are made of the same layers as these.
const MANY_PARAMETERS = 5e6;

describe("the feature specs", () => {
  for (const { name } of listModels()) {
    // Strides and pooling leave uneven maps of it.
    it(`of ${name} are the shapes of its real features at 33×47`, () => expectSpecsOfRealFeatures(name, [33, 47]));
  }
});

describe("the initialisation", () => {
  const draw = async (name: string, seed: number): Promise<StateDict> => {
    using model = await createModel(name, { numClasses: 7, seed });
    return await model.stateDict();
  };
  const bytes = (state: StateDict, name: string): Buffer => Buffer.from(state[name]!.toTypedArray().buffer);

  // A network is built in memory that holds what was there before: a value that nothing draws would differ between two builds.
  for (const { name } of listModels().filter(({ name, parameters }) => parameters < MANY_PARAMETERS || name === "resnet50-cifar")) {
    it(`of ${name} is decided by the seed, down to the last value`, async () => {
      const [first, second, other] = [await draw(name, 1), await draw(name, 1), await draw(name, 2)];
      for (const [entry, { shape }] of Object.entries(first)) {
        expect(bytes(first, entry).equals(bytes(second, entry)), entry).to.equal(true);
        if (shape.length > 1) expect(bytes(first, entry).equals(bytes(other, entry)), `${entry} with another seed`).to.equal(false);
      }
    });
  }
});
