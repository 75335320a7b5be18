import { expect } from "chai";
import { createSession, loadDataset, type Dataset, type Session, type TrainEpochOptions } from "../../../lib/index.js";
import type { ScheduleInput } from "../../../lib/config/schemas/training.js";
import { failureOf } from "../../support/errors.js";
import { scratchDirectory } from "../lib/small-run.js";
import { CLASSES, SIDE, smallData, smallModel, weightsOf } from "./small-training.js";

const FULL_RATE = 0.02;
/** Four steps an epoch, of which the second has two. */
const OPTIONS = { epochs: 2, maxSteps: 6, batchSize: 2, seed: 3 } as const;

describe("a training that ends after a number of steps", () => {
  let data: Dataset;
  const scratch = scratchDirectory();

  before(async () => {
    data = await smallData({ train: 8 });
  });
  after(() => {
    data.dispose();
  });

  const newSession = async (options: object = {}): Promise<Session> =>
    createSession({ model: await smallModel(), threads: 1, optimizer: { kind: "sgd", learningRate: FULL_RATE },
      ...options });

  /** The factors of the full rate in each step of the training; those that no report names are missing. */
  async function scalesOf(options: Partial<TrainEpochOptions>, epochs: number): Promise<Map<number, number>> {
    const scales = new Map<number, number>();
    using session = await newSession();
    for (let epoch = 0; epoch < epochs; ++epoch) {
      await session.trainEpoch(data, { ...OPTIONS, epochs, epoch, ...options, onProgress: ({ step, learningRate }) =>
        scales.set(4 * epoch + step - 1, learningRate / FULL_RATE) });
    }
    return scales;
  }

  it("ends within an epoch, at exactly that step", async () => {
    using session = await newSession();
    const first = await session.trainEpoch(data, { ...OPTIONS, epoch: 0 });
    expect([first.step, first.steps, first.images]).to.deep.equal([4, 4, 8]);
    const last = await session.trainEpoch(data, { ...OPTIONS, epoch: 1 });
    expect([last.step, last.steps, last.images]).to.deep.equal([2, 2, 4]);
    expect(await session.position()).to.deep.equal({ epoch: 1, step: 2, steps: 2, totalSteps: 6 });
  });

  it("has taken the first steps of the whole epoch", async () => {
    using session = await newSession();
    await session.trainEpoch(data, { ...OPTIONS, epoch: 1 });
    using own = await newSession();
    await own.setEpoch(1);
    let steps = 0;
    for await (const batch of data.train.batches({ batchSize: 2, seed: 3, epoch: 1 })) {
      if (++steps <= 2) await own.step(batch);
    }
    expect(await weightsOf(session.model)).to.deep.equal(await weightsOf(own.model));
  });

  it("is as without the number where the epochs end first", async () => {
    const [limited, whole] = [await newSession(), await newSession()];
    const schedule = { kind: "cosine", warmupEpochs: 0.3 } as const;
    for (const epoch of [0, 1]) {
      const { steps, learningRate } = await limited.trainEpoch(data, { ...OPTIONS, epoch, schedule, maxSteps: 9 });
      const other = await whole.trainEpoch(data, { ...OPTIONS, epoch, schedule, maxSteps: null });
      expect([steps, learningRate]).to.deep.equal([4, other.learningRate]);
    }
    expect(await weightsOf(limited.model)).to.deep.equal(await weightsOf(whole.model));
  });

  it("reaches the end of the cosine there", async () => {
    const scales = await scalesOf({ schedule: { kind: "cosine", finalScale: 0.1 } }, 2);
    const cosine = (done: number): number => 0.1 + 0.9 * 0.5 * (1 + Math.cos(Math.PI * done));
    expect(scales.has(5)).to.equal(true);
    for (const [step, scale] of scales) expect(scale, String(step)).to.be.closeTo(cosine(step / 6), 1e-12);
  });

  it("counts the steps of its schedule by whole epochs", async () => {
    const schedule = { kind: "multi-step", milestones: [], milestoneSteps: [4, 9], factor: 0.1, warmupSteps: 3,
      warmupFactor: 0.1 } satisfies ScheduleInput;
    const scales = await scalesOf({ schedule, maxSteps: 10 }, 3);
    expect(scales.has(9)).to.equal(true);
    const expected = [0.1, 0.4, 0.7, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.01];
    for (const [step, scale] of scales) expect(scale, String(step)).to.be.closeTo(expected[step]!, 1e-12);
  });

  it("counts optimizer steps, each of several batches", async () => {
    using session = await newSession({ accumulateBatches: 3 });
    // Two steps an epoch, of three batches and of one: the third step of the training is the first of epoch 1.
    const { step, images } = await session.trainEpoch(data, { ...OPTIONS, epoch: 1, maxSteps: 3 });
    expect([step, images]).to.deep.equal([1, 6]);
  });

  it("refuses an epoch that would begin after it", async () => {
    using session = await newSession();
    for (const maxSteps of [1, 4]) {
      const { message } = await failureOf("INVALID_ARGUMENT", () =>
        session.trainEpoch(data, { ...OPTIONS, epoch: 1, maxSteps }));
      expect(message).to.include(`invalid epoch 1: expected one that begins before maxSteps, ${maxSteps}`);
    }
    expect((await session.position()).totalSteps).to.equal(0);
  });

  it("continues in its shorter epoch, from a checkpoint, to the same bits", async () => {
    using many = await smallData({ train: 64 });
    const options = { ...OPTIONS, epoch: 1, maxSteps: 32 + 20, schedule: { kind: "cosine" } } as const;
    const [begun, fresh] = [await newSession(), await newSession()];
    const path = scratch("within.safetensors");
    let saved: Promise<boolean> | undefined;
    await begun.trainEpoch(many, { ...options, onProgress: () => {
      saved ??= begun.saveWithinEpoch(path);
    } });
    expect(await saved).to.equal(true);
    await fresh.loadCheckpoint(path);
    const { step, steps } = await fresh.position();
    expect(step).to.be.within(1, 19);
    expect(steps).to.equal(20);
    const { message } = await failureOf("INVALID_ARGUMENT",
      () => fresh.trainEpoch(many, { ...options, maxSteps: 32 + 25 }));
    expect(message).to.include("expected 20 steps").and.include("maxSteps");
    expect((await fresh.trainEpoch(many, options)).images).to.equal(40);
    expect(await weightsOf(fresh.model)).to.deep.equal(await weightsOf(begun.model));
    for (const session of [begun, fresh]) session.dispose();
  });

  it("stops the producer of streamed images", async () => {
    const image = new Uint8Array(3 * SIDE * SIDE);
    let produced = 0;
    let isReturned = false;
    using streamed = await loadDataset({
      kind: "stream",
      numClasses: CLASSES,
      height: SIDE,
      width: SIDE,
      train: { samples: 200, items: function* () {
        try {
          for (; produced < 200; ++produced) yield { image, label: produced % CLASSES };
        } finally {
          isReturned = true;
        }
      } },
      test: { samples: 1, items: [{ image, label: 0 }] },
    });
    using session = await newSession();
    expect(await session.trainEpoch(streamed, { ...OPTIONS, epoch: 0, maxSteps: 3 })).to.include({ step: 3,
      images: 6 });
    expect(isReturned).to.equal(true);
    // Three batches may wait for the trainer, and another is filled.
    expect(produced).to.be.at.most(6 + 8);
  });
});
