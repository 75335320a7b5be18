import { expect } from "chai";
import { createSession, type Session } from "../../../lib/index.js";
import type { EpochSummary } from "../../../lib/config/schemas/epoch.js";
import type { StepResult } from "../../../lib/config/schemas/losses.js";
import { failureOf } from "../../support/errors.js";
import { scratchDirectory } from "../lib/small-run.js";
import { largestDifference, part, smallBatch, smallData, smallDistiller, smallModel, numbersOf,
  weightsOf } from "./small-training.js";

const BATCH = smallBatch(5, 7);
/** A batch of five in two parts. */
const BOUNDS = [[0, 2], [2, 5]] as const;
/** Float64 sums in another order: some roundings of 2^-53. */
const TOLERANCE = 1e-12;

async function modelSession(microBatches: number): Promise<Session> {
  return createSession({ model: await smallModel({ dtype: "float64" }), threads: 1, microBatches });
}

async function distillerSession(microBatches: number): Promise<Session> {
  return createSession({ distiller: await smallDistiller({ weight: 0.7 }, { dtype: "float64" }), threads: 1,
    microBatches });
}

interface Taken {
  readonly result: StepResult;
  readonly gradients: Record<string, Float64Array>;
}

async function take(session: Session, batch = BATCH): Promise<Taken> {
  const result = await session.step(batch);
  return { result, gradients: numbersOf(await session.gradients()) };
}

/** The result of each part by itself, from the same initial weights and with its own batch statistics. */
function takeParts(newSession: (microBatches: number) => Promise<Session>): Promise<Taken[]> {
  return Promise.all(BOUNDS.map(async ([begin, end]) => take(await newSession(1), part(BATCH, begin, end))));
}

const mean = (first: number, second: number): number => (2 * first + 3 * second) / 5;

describe("micro-batches", () => {
  for (const [what, newSession] of [["a network", modelSession], ["a distiller", distillerSession]] as const) {
    it(`averages the parts' gradients and losses by their sizes for ${what}`, async () => {
      const [first, second] = await takeParts(newSession);
      const whole = await take(await newSession(2));
      expect(Object.keys(whole.gradients)).to.deep.equal(Object.keys(first!.gradients));
      for (const [name, gradient] of Object.entries(whole.gradients)) {
        const expected = first!.gradients[name]!.map((value, i) => mean(value, second!.gradients[name]![i]!));
        expect(largestDifference(gradient, expected), name).to.be.below(TOLERANCE);
      }
      for (const term of ["total", "crossEntropy", "distillation"] as const) {
        expect(whole.result.losses[term], term).to.be.closeTo(
          mean(first!.result.losses[term], second!.result.losses[term]),
          TOLERANCE,
        );
      }
      whole.result.losses.perStage.forEach((loss, stage) => {
        expect(loss).to.be.closeTo(mean(first!.result.losses.perStage[stage]!, second!.result.losses.perStage[stage]!),
          TOLERANCE);
      });
      expect(whole.result.step).to.equal(1);
    });
  }

  it("normalizes each part by its own batch statistics", async () => {
    const whole = await take(await modelSession(1));
    const split = await take(await modelSession(2));
    expect(largestDifference(split.gradients["conv1.weight"]!, whole.gradients["conv1.weight"]!)).to.be.above(1e-6);
  });

  it("moves the running statistics once for each part, in order", async () => {
    const session = await modelSession(2);
    await session.step(BATCH);
    const actual = await weightsOf(session.model);
    const twin = await smallModel({ dtype: "float64" });
    for (const [begin, end] of BOUNDS) await twin.forward(part(BATCH, begin, end).images, { mode: "train" });
    const expected = await weightsOf(twin);
    for (const name of Object.keys(expected).filter((key) => /running|tracked/.test(key))) {
      expect(largestDifference(actual[name]!, expected[name]!), name).to.be.below(TOLERANCE);
    }
    expect(actual["bn1.num_batches_tracked"]![0]).to.equal(2);
  });

  it("makes no more parts than there are images", async () => {
    const parts = await take(await modelSession(5));
    const more = await take(await modelSession(64));
    expect(more.gradients).to.deep.equal(parts.gradients);
    expect(more.result.losses).to.deep.equal(parts.result.losses);
  });
});

describe("several batches for one optimizer step", () => {
  const IMAGES = 24;
  const scratch = scratchDirectory();

  async function trained(options: { batchSize: number; microBatches?: number; accumulateBatches?: number },
    epochs = 2): Promise<{ session: Session; summary: EpochSummary }> {
    const { batchSize, ...step } = options;
    using data = await smallData({ train: IMAGES });
    const session = await createSession({ distiller: await smallDistiller(), threads: 1,
      optimizer: { kind: "sgd", learningRate: 0.02 }, ...step });
    let summary: EpochSummary | undefined;
    for (let epoch = 0; epoch < epochs; ++epoch)
      summary = await session.trainEpoch(data, { epoch, epochs, batchSize, seed: 3, schedule: { kind: "cosine" } });
    return { session, summary: summary! };
  }

  it("takes the same steps, bit for bit, as one large batch in as many parts", async () => {
    const several = await trained({ batchSize: 4, accumulateBatches: 3 });
    const one = await trained({ batchSize: 12, microBatches: 3 });
    expect([several.summary.step, several.summary.steps, several.summary.images]).to.deep.equal([2, 2, IMAGES]);
    expect(several.summary.losses).to.deep.equal(one.summary.losses);
    expect(several.summary.top1).to.equal(one.summary.top1);
    expect(several.summary.learningRate).to.equal(one.summary.learningRate);
    expect(await weightsOf(several.session.distiller!)).to.deep.equal(await weightsOf(one.session.distiller!));
  });

  it("averages the batches that are left in the last step of an epoch", async () => {
    const { session, summary } = await trained({ batchSize: 4, accumulateBatches: 4 }, 1);
    expect([summary.step, summary.steps, summary.images]).to.deep.equal([2, 2, IMAGES]);
    expect((await session.position()).totalSteps).to.equal(2);
  });

  it("takes one step of the batches that a caller passes", async () => {
    const several = await modelSession(1);
    const result = await several.step([part(BATCH, 0, 2), part(BATCH, 2, 5)]);
    const one = await modelSession(2);
    expect(result.losses).to.deep.equal((await one.step(BATCH)).losses);
    expect(result.step).to.equal(1);
    expect(numbersOf(await several.gradients())).to.deep.equal(numbersOf(await one.gradients()));
    await failureOf("INVALID_ARGUMENT", () => several.step([]));
  });

  it("continues from a checkpoint within an epoch bit for bit", async () => {
    const path = scratch("accumulated.safetensors");
    using data = await smallData({ train: IMAGES });
    const options = { epoch: 0, epochs: 2, batchSize: 2, seed: 3, schedule: { kind: "cosine" } } as const;
    const newSession = async (): Promise<Session> =>
      createSession({ distiller: await smallDistiller(), threads: 1, accumulateBatches: 3,
        optimizer: { kind: "sgd", learningRate: 0.02 } });
    const [begun, fresh] = [await newSession(), await newSession()];
    let saved: Promise<boolean> | undefined;
    await begun.trainEpoch(data, { ...options, onProgress: () => {
      saved ??= begun.saveWithinEpoch(path);
    } });
    expect(await saved).to.equal(true);
    await fresh.loadCheckpoint(path);
    expect((await fresh.position()).step).to.be.within(1, 3);
    await fresh.trainEpoch(data, options);
    expect(await weightsOf(fresh.distiller!)).to.deep.equal(await weightsOf(begun.distiller!));
  });
});
