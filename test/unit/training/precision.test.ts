import { expect } from "chai";
import { createSession, type Session } from "../../../lib/index.js";
import type { ModelDType, Precision } from "../../../lib/config/schemas/common.js";
import type { Losses } from "../../../lib/config/schemas/losses.js";
import type { TermInput } from "../../../lib/config/schemas/method.js";
import { failureOf } from "../../support/errors.js";
import { smallBatch, smallData, smallDistiller, smallModel } from "./small-training.js";

async function newSession(dtype: ModelDType, precision: Precision = "float32"): Promise<Session> {
  return createSession({ distiller: await smallDistiller({}, { dtype }), threads: 1, precision,
    optimizer: { kind: "sgd", learningRate: 0.01 } });
}

function expectNear(actual: Losses, expected: Losses, relative: number): void {
  expect(actual.crossEntropy / expected.crossEntropy).to.be.closeTo(1, relative);
  actual.perStage.forEach((loss, stage) => {
    expect(loss / expected.perStage[stage]!, `stage ${stage}`).to.be.closeTo(1, relative);
  });
}

describe("precision", () => {
  const BATCH = smallBatch(8, 4);
  let single: Losses;

  before(async () => {
    ({ losses: single } = await (await newSession("float32")).step(BATCH));
  });

  it("float64 agrees with float32 to float32's accuracy", async () => {
    const session = await newSession("float64");
    expectNear((await session.step(BATCH)).losses, single, 1e-4);
    for (const [name, { dtype }] of Object.entries(await session.model.stateDict())) {
      expect(dtype, name).to.equal(name.endsWith("num_batches_tracked") ? "int64" : "float64");
    }
  });

  it("bfloat16 agrees with float32 to bfloat16's accuracy, and differs", async () => {
    const { losses } = await (await newSession("float32", "bfloat16")).step(BATCH);
    // Eight bits of mantissa: 0.4 % for each of some ten layers in a row.
    expectNear(losses, single, 0.05);
    expect(losses.crossEntropy).to.not.equal(single.crossEntropy);
  });

  it("bfloat16 does so for every method, whose losses stay in float32 or better", async () => {
    const of: TermInput[] =
      (["kd", "dkd", "single-layer", "multi-layer", "review-stage", "review-pairs", "review-fused", "review"] as const)
        .map((kind) => ({ kind, warmupEpochs: 0 }));
    const step = async (precision: Precision): Promise<Losses> => {
      using session = await createSession({ distiller: await smallDistiller({ kind: "sum", of }), threads: 1,
        precision });
      return (await session.step(BATCH)).losses;
    };
    const [half, full] = [await step("bfloat16"), await step("float32")];
    for (const [k, { kind, loss }] of half.terms.entries()) {
      // A divergence is a difference, which loses digits more.
      expect(loss / full.terms[k]!.loss, kind).to.be.closeTo(1, 0.1);
      expect(loss, kind).not.to.equal(full.terms[k]!.loss);
    }
  });

  it("bfloat16 keeps parameters, gradients and statistics in float32", async () => {
    const session = await newSession("float32", "bfloat16");
    await session.step(BATCH);
    for (const state of [await session.distiller!.stateDict(), await session.gradients()]) {
      for (const [name, { dtype }] of Object.entries(state)) {
        expect(dtype, name).to.equal(name.endsWith("num_batches_tracked") ? "int64" : "float32");
      }
    }
  });

  it("bfloat16 makes progress over an epoch and evaluates", async () => {
    const session = await newSession("float32", "bfloat16");
    using data = await smallData();
    const first = await session.trainEpoch(data, { epoch: 0, epochs: 3, batchSize: 8 });
    await session.trainEpoch(data, { epoch: 1, epochs: 3, batchSize: 8 });
    const last = await session.trainEpoch(data, { epoch: 2, epochs: 3, batchSize: 8 });
    expect(last.losses.total).to.be.below(first.losses.total);
    const [half, full] = [await session.evaluate(data.test),
      await session.evaluate(data.test, { precision: "float32" })];
    expect(half.loss).to.not.equal(full.loss);
    expect(half.loss / full.loss).to.be.closeTo(1, 0.05);
  });

  it("bfloat16 in one session leaves another in float32", async () => {
    const [mixed, plain] = await Promise.all([newSession("float32", "bfloat16"), newSession("float32")]);
    const [, { losses }] = await Promise.all([mixed.step(BATCH), plain.step(BATCH)]);
    expect(losses).to.deep.equal(single);
  });

  it("bfloat16 is refused for a float64 network", async () => {
    const error = await failureOf("INVALID_ARGUMENT", () => newSession("float64", "bfloat16"));
    expect(error.message).to.include("float64");
  });

  it("refuses a distiller and a model at once, and none of both", async () => {
    const [model, distiller] = [await smallModel(), await smallDistiller()];
    for (const target of [{ model, distiller }, {}]) {
      await failureOf("INVALID_ARGUMENT", () => createSession(target as never));
    }
  });
});
