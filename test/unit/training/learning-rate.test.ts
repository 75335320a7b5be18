import { expect } from "chai";
import { createSession, type Dataset, type Session } from "../../../lib/index.js";
import type { ScheduleInput } from "../../../lib/config/schemas/training.js";
import { failureOf } from "../../support/errors.js";
import { smallData, smallModel } from "./small-training.js";

const FULL_RATE = 0.02;

describe("learning-rate schedule", () => {
  let session: Session;
  let oneStep: Dataset;
  let fourSteps: Dataset;

  before(async () => {
    session = await createSession({ model: await smallModel(), threads: 1,
      optimizer: { kind: "sgd", learningRate: FULL_RATE } });
    oneStep = await smallData({ train: 2, test: 1 });
    fourSteps = await smallData({ train: 8, test: 1 });
  });
  after(() => {
    for (const owner of [session, oneStep, fourSteps]) owner.dispose();
  });

  /** The factor of the full rate in the last step of an epoch. */
  async function scaleIn(epoch: number, epochs: number, schedule: ScheduleInput, data = oneStep): Promise<number> {
    const { learningRate } = await session.trainEpoch(data, { epoch, epochs, batchSize: 2, schedule });
    return learningRate / FULL_RATE;
  }

  it("stays constant by default", async () => {
    for (const epoch of [0, 7, 99]) {
      const { learningRate } = await session.trainEpoch(oneStep, { epoch, epochs: 100, batchSize: 2 });
      expect(learningRate).to.equal(FULL_RATE);
    }
  });

  it("has the official phases of 151, 30, 30 and 29 of 240 epochs", async () => {
    const lengths = new Map<number, number>();
    for (let epoch = 0; epoch < 240; ++epoch) {
      const power = Math.log10(
        await scaleIn(epoch, 240, { kind: "multi-step", milestones: [150, 180, 210], factor: 0.1 }),
      );
      // Powers of 0.1 are not exact in binary.
      expect(power).to.be.closeTo(Math.round(power), 1e-12);
      lengths.set(-Math.round(power), (lengths.get(-Math.round(power)) ?? 0) + 1);
    }
    expect([...lengths]).to.deep.equal([[0, 151], [1, 30], [2, 30], [3, 29]]);
  });

  it("multiplies by the factor given", async () => {
    const schedule = { kind: "multi-step", milestones: [1, 2], factor: 0.5 } satisfies ScheduleInput;
    const scales: number[] = [];
    for (let epoch = 0; epoch < 5; ++epoch) scales.push(await scaleIn(epoch, 5, schedule));
    expect(scales).to.deep.equal([1, 1, 0.5, 0.25, 0.25]);
  });

  it("takes multi-step's milestones from the official code by default", async () => {
    expect(await scaleIn(150, 240, { kind: "multi-step" })).to.equal(1);
    expect(await scaleIn(151, 240, { kind: "multi-step" })).to.be.closeTo(0.1, 1e-12);
  });

  it("falls along half a cosine, step by step", async () => {
    const finalScale = 0.1;
    const cosine = (done: number): number => finalScale + (1 - finalScale) * 0.5 * (1 + Math.cos(Math.PI * done));
    for (const epoch of [0, 1, 2, 3]) {
      const schedule = { kind: "cosine", finalScale } as const;
      expect(await scaleIn(epoch, 4, schedule)).to.be.closeTo(cosine(epoch / 4), 1e-12);
      // The last of four steps begins three quarters into its epoch.
      expect(await scaleIn(epoch, 4, schedule, fourSteps)).to.be.closeTo(cosine((epoch + 0.75) / 4), 1e-12);
    }
  });

  it("rises linearly through a warm-up that may end within an epoch", async () => {
    const schedule = { kind: "constant", warmupEpochs: 2.5 } as const;
    const scales: number[] = [];
    for (let epoch = 0; epoch < 4; ++epoch) scales.push(await scaleIn(epoch, 4, schedule, fourSteps));
    [1 / 2.5, 2 / 2.5, 1, 1].forEach((expected, epoch) => {
      expect(scales[epoch]).to.be.closeTo(expected, 1e-12);
    });
  });

  it("gives the first step of a warm-up more than nothing", async () => {
    const firstRates: number[] = [];
    await session.trainEpoch(fourSteps, {
      epoch: 0,
      epochs: 4,
      batchSize: 2,
      schedule: { kind: "constant", warmupEpochs: 1 },
      // Several steps may lie between two reports, so each is compared with its own step.
      onProgress: ({ step, learningRate }) => firstRates.push(learningRate / FULL_RATE - step / 4),
    });
    expect(firstRates).to.not.be.empty;
    for (const difference of firstRates) expect(difference).to.be.closeTo(0, 1e-12);
  });

  it("begins the cosine where the warm-up ends", async () => {
    const schedule = { kind: "cosine", warmupEpochs: 2 } as const;
    const scales: number[] = [];
    for (let epoch = 0; epoch < 6; ++epoch) scales.push(await scaleIn(epoch, 6, schedule));
    const cosine = (done: number): number => 0.5 * (1 + Math.cos(Math.PI * done));
    [0.5, 1, 1, cosine(1 / 4), cosine(2 / 4), cosine(3 / 4)].forEach((expected, epoch) => {
      expect(scales[epoch]).to.be.closeTo(expected, 1e-12);
    });
  });

  it("warms up to the rate of the milestones that have passed", async () => {
    const schedule = { kind: "multi-step", milestones: [0], factor: 0.1, warmupEpochs: 4 } satisfies ScheduleInput;
    expect(await scaleIn(0, 6, schedule)).to.be.closeTo(0.25, 1e-12);
    expect(await scaleIn(1, 6, schedule)).to.be.closeTo(0.05, 1e-12);
    expect(await scaleIn(5, 6, schedule)).to.be.closeTo(0.1, 1e-12);
  });

  it("refuses a schedule that there is not", async () => {
    const error = await failureOf("INVALID_ARGUMENT", () => scaleIn(0, 1, { kind: "cosin" } as never));
    expect(error.valid).to.deep.equal(["constant", "multi-step", "cosine"]);
  });
});
