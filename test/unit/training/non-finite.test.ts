import { expect } from "chai";
import { createDistiller, createSession, Tensor, type Model, type Session } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { numbersIn, SIDE, smallBatch, smallData, smallModel, numbersOf, weightsOf } from "./small-training.js";

/** Two images, the first of which has one bad pixel. */
function badBatch(pixel: number): { images: Tensor; labels: Tensor } {
  const values = new Float32Array(2 * 3 * SIDE * SIDE).fill(0.5);
  values[5] = pixel;
  return { images: Tensor.from(values, [2, 3, SIDE, SIDE]), labels: Tensor.from([0, 1], [2], { dtype: "int64" }) };
}

async function newSession(learningRate = 0.1): Promise<Session> {
  return createSession({ model: await smallModel(), threads: 1, optimizer: { kind: "sgd", learningRate } });
}

/** Trainable values alone: what the gradients of a finished step name. */
async function parametersOf(model: Model, names: readonly string[]): Promise<unknown> {
  const weights = await weightsOf(model);
  return names.map((name) => [name, weights[name]!]);
}

describe("a loss that is not finite", () => {
  for (const pixel of [NaN, Infinity]) {
    it(`stops the step before a parameter changes where a pixel is ${pixel}`, async () => {
      const session = await newSession();
      await session.step(smallBatch(4, 1));
      await session.step(smallBatch(4, 2));
      const names = Object.keys(await session.gradients());
      const before = await parametersOf(session.model, names);
      const error = await failureOf("NON_FINITE_LOSS", () => session.step(badBatch(pixel)));
      expect(error.message).to.match(/in step [23]\b.* for crossEntropy/);
      expect(await parametersOf(session.model, names)).to.deep.equal(before);
      expect((await session.position()).totalSteps).to.equal(2);
    });
  }

  it("comes of a learning rate that is far too high, and later steps leave the parameters alone", async () => {
    const session = await newSession(1e30);
    await session.step(smallBatch(4, 1));
    const names = Object.keys(await session.gradients());
    const before = await parametersOf(session.model, names);
    for (const seed of [2, 3]) await failureOf("NON_FINITE_LOSS", () => session.step(smallBatch(4, seed)));
    expect(await parametersOf(session.model, names)).to.deep.equal(before);
  });

  it("ends an epoch and says which step and what to do", async () => {
    const session = await newSession(1e30);
    using data = await smallData();
    const error = await failureOf("NON_FINITE_LOSS",
      () => session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 8 }));
    expect(error.message).to.match(/in step [12]\b/).and.to.include("learning rate");
  });

  it("names the stage whose distillation loss it is", async () => {
    const teacher = await smallModel({ seed: 2 });
    const { "layer3.0.conv2.weight": weight } = await teacher.stateDict();
    const poisoned = Tensor.from(new Float32Array(weight!.toTypedArray().length).fill(NaN), weight!.shape);
    await teacher.loadStateDict({ "layer3.0.conv2.weight": poisoned }, { strict: false });
    const distiller = await createDistiller({ teacher, student: await smallModel(),
      method: { kind: "review", warmupEpochs: 0 } });
    const before = numbersOf(await distiller.stateDict());
    const session = await createSession({ distiller, threads: 1 });
    const error = await failureOf("NON_FINITE_LOSS", () => session.step(smallBatch(4, 1)));
    expect(error.message).to.include("for review at stage 3 (layer3)");
    const after = numbersOf(await distiller.stateDict());
    for (const name of Object.keys(after).filter((key) => !/running|tracked/.test(key)))
      expect(after[name], name).to.deep.equal(before[name]);
  });

  it("may be that of gradients, where their norm is taken", async () => {
    const model = await smallModel({ dtype: "float64" });
    const { "fc.weight": weight } = await model.stateDict();
    // Logits and loss are of this size, which float64 holds; the squares of the gradients are not.
    const huge = Tensor.from(numbersIn(weight!).map((value) => 1e200 * value), weight!.shape);
    await model.loadStateDict({ "fc.weight": huge }, { strict: false });
    const before = await parametersOf(model, ["conv1.weight", "fc.weight", "fc.bias"]);
    const session = await createSession({ model, threads: 1, clipNorm: 1 });
    const error = await failureOf("NON_FINITE_LOSS", () => session.step(smallBatch(4, 1)));
    expect(error.message).to.match(/invalid gradients in step [01]: expected a finite norm/);
    expect(await parametersOf(model, ["conv1.weight", "fc.weight", "fc.bias"])).to.deep.equal(before);
  });
});
