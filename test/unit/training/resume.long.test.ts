import { getEventListeners } from "node:events";
import { readdir } from "node:fs/promises";
import { expect } from "chai";
import { createModel, createSession, loadDataset, type Dataset, type Session, type StreamItem, type StreamItems,
  type TrainEpochOptions } from "../../../lib/index.js";
import type { EpochSummary } from "../../../lib/config/schemas/epoch.js";
import type { MethodInput } from "../../../lib/config/schemas/method.js";
import { failureOf } from "../../support/errors.js";
import type { ReviewOptions } from "../../support/networks.js";
import { scratchDirectory } from "../lib/small-run.js";
import { CLASSES, SIDE, smallData, smallDistiller, smallModel, weightsOf } from "./small-training.js";
import { uniforms } from "../../support/uniforms.js";

/** An epoch of so many steps that a signal given at its beginning takes effect long before its end. */
const STEPS = 32;
const options = { epoch: 1, epochs: 4, batchSize: 2, seed: 3,
  schedule: { kind: "cosine" } } as const satisfies TrainEpochOptions;

/** A summary without what the clock says. */
function untimed(summary: EpochSummary): EpochSummary {
  return { ...summary, seconds: 0, imagesPerSecond: 0, dataWaitSeconds: 0, dataWaitFraction: 0 };
}

describe("an epoch that is stopped", () => {
  let data: Dataset;
  const scratch = scratchDirectory();

  before(async () => {
    data = await smallData({ train: 2 * STEPS });
  });
  after(() => {
    data.dispose();
  });

  async function newSession(method: ReviewOptions | MethodInput = {}): Promise<Session> {
    return createSession({ distiller: await smallDistiller(method), threads: 1,
      optimizer: { kind: "sgd", learningRate: 0.02 } });
  }

  /** Stops the epoch after its first step: the signal is given while the epoch waits for the one before. */
  async function stopped(session: Session): Promise<void> {
    const controller = new AbortController();
    const earlier = session.trainEpoch(data, { ...options, epoch: 0 });
    const failure = failureOf("ABORTED", () => session.trainEpoch(data, { ...options, signal: controller.signal }));
    controller.abort();
    await earlier;
    expect((await failure).message).to.include("after step 1");
  }

  async function undisturbed(method: ReviewOptions | MethodInput = {}): Promise<Session> {
    const session = await newSession(method);
    await session.trainEpoch(data, { ...options, epoch: 0 });
    await session.trainEpoch(data, options);
    return session;
  }

  it("ends within one step and says where it stands", async () => {
    const session = await newSession();
    await stopped(session);
    expect(await session.position()).to.deep.equal({ epoch: 1, step: 1, steps: STEPS, totalSteps: STEPS + 1 });
  });

  it("resumes to the same bits and means as an undisturbed one", async () => {
    const session = await newSession();
    await stopped(session);
    const summary = untimed(await session.trainEpoch(data, options));
    const reference = await newSession();
    await reference.trainEpoch(data, { ...options, epoch: 0 });
    expect(summary).to.deep.equal(untimed(await reference.trainEpoch(data, options)));
    expect([summary.step, summary.images]).to.deep.equal([STEPS, 2 * STEPS]);
    expect(await weightsOf(session.distiller!)).to.deep.equal(await weightsOf(reference.distiller!));
  });

  it("resumes from its checkpoint in a fresh session to the same bits and means with a sum of methods", async () => {
    const path = scratch("sum.safetensors");
    const method: MethodInput = {
      kind: "sum",
      of: [{ kind: "kd", weight: 0.5 }, { kind: "review", warmupEpochs: 3, midChannels: 8 }, { kind: "multi-layer",
        warmupFrom: 1 }],
    };
    const session = await newSession(method);
    await stopped(session);
    await session.saveCheckpoint(path);
    const fresh = await newSession(method);
    await fresh.loadCheckpoint(path);
    const summary = untimed(await fresh.trainEpoch(data, options));
    const reference = await newSession(method);
    await reference.trainEpoch(data, { ...options, epoch: 0 });
    expect(summary).to.deep.equal(untimed(await reference.trainEpoch(data, options)));
    expect(summary.losses.terms.map(({ kind, perStage }) => [kind, perStage.length])).to.deep.equal([["kd", 0], [
      "review",
      4,
    ], ["multi-layer", 4]]);
    expect(await weightsOf(fresh.distiller!)).to.deep.equal(await weightsOf(reference.distiller!));
  });

  it("resumes from its checkpoint in a fresh session to the same bits in bfloat16, with parts of batches and clipping", async () => {
    const path = scratch("bfloat16.safetensors");
    const session = async (): Promise<Session> =>
      createSession({
        distiller: await smallDistiller(),
        threads: 1,
        precision: "bfloat16",
        microBatches: 2,
        clipNorm: 0.5,
        optimizer: { kind: "sgd", learningRate: 0.02 },
      });
    const [begun, fresh] = [await session(), await session()];
    let saved: Promise<boolean> | undefined;
    await begun.trainEpoch(data, { ...options, batchSize: 4, onProgress: () => {
      saved ??= begun.saveWithinEpoch(path);
    } });
    expect(await saved).to.equal(true);
    await fresh.loadCheckpoint(path);
    expect((await fresh.position()).step).to.be.within(1, STEPS / 2 - 1);
    await fresh.trainEpoch(data, { ...options, batchSize: 4 });
    expect(await weightsOf(fresh.distiller!)).to.deep.equal(await weightsOf(begun.distiller!));
  });

  for (const [made, itemsOf] of [
    ["created from where it resumes", (all: StreamItem[]): StreamItems => ({ firstImage }) => all.slice(firstImage)],
    ["iterated from the start", (all: StreamItem[]): StreamItems => all],
  ] as const) {
    it(`resumes from its checkpoint in a fresh session to the same bits where images are streamed, ${made}`, async () => {
      const path = scratch("stream.safetensors");
      const all = Array.from({ length: 2 * STEPS }, (_, index): StreamItem => ({
        image: Float32Array.from(uniforms(index, 3 * SIDE * SIDE), (value) => 4 * value - 2),
        label: index % CLASSES,
      }));
      const split = { samples: all.length, items: itemsOf(all) };
      using streamed = await loadDataset({ kind: "stream", numClasses: CLASSES, height: SIDE, width: SIDE, train: split,
        test: split });
      const [session, fresh, reference] = [await newSession(), await newSession(), await newSession()];
      const controller = new AbortController();
      const failure = failureOf("ABORTED", () =>
        session.trainEpoch(streamed, { ...options, signal: controller.signal, onProgress: () => {
          controller.abort();
        } }));
      await failure;
      await session.saveCheckpoint(path);
      expect((await session.position()).step).to.be.within(1, STEPS - 1);
      await fresh.loadCheckpoint(path);
      const summary = untimed(await fresh.trainEpoch(streamed, options));
      expect(summary).to.deep.equal(untimed(await reference.trainEpoch(streamed, options)));
      expect(await weightsOf(fresh.distiller!)).to.deep.equal(await weightsOf(reference.distiller!));
    });
  }

  it("is saved between two of its steps, without waiting for its end", async () => {
    const path = scratch("within.safetensors");
    const session = await newSession();
    let saved: Promise<boolean> | undefined;
    const whole = await session.trainEpoch(data, { ...options, onProgress: () => {
      saved ??= session.saveWithinEpoch(path, { note: "on the way" });
    } });
    expect(await saved).to.equal(true);
    const fresh = await newSession();
    expect(await fresh.loadCheckpoint(path)).to.deep.equal({ note: "on the way" });
    expect((await fresh.position()).step).to.be.within(1, STEPS - 1);
    expect(untimed(await fresh.trainEpoch(data, options))).to.deep.equal(untimed(whole));
    expect(await weightsOf(fresh.distiller!)).to.deep.equal(await weightsOf(session.distiller!));
  });

  it("is not saved within if none runs, and continues if saving fails", async () => {
    const session = await newSession();
    expect(await session.saveWithinEpoch(scratch("none.safetensors"))).to.equal(false);
    expect(await readdir(scratch())).to.deep.equal([]);
    let failure: Promise<unknown> | undefined;
    const { step } = await session.trainEpoch(data, {
      ...options,
      onProgress: () => {
        failure ??= failureOf("FILE_ACCESS", () => session.saveWithinEpoch(scratch("nowhere", "a.safetensors")));
      },
    });
    await failure;
    expect(step).to.equal(STEPS);
  });

  it("does not resume with another method, even if neither has weights of its own", async () => {
    const path = scratch("kd.safetensors");
    const session = await newSession({ kind: "kd" });
    await stopped(session);
    await session.saveCheckpoint(path);
    const other = await newSession({ kind: "dkd" });
    const before = await weightsOf(other.distiller!);
    const { message } = await failureOf("STATE_DICT_MISMATCH", () => other.loadCheckpoint(path));
    expect(message).to.include("expected one trained with dkd, received one with kd");
    expect(await weightsOf(other.distiller!)).to.deep.equal(before);
  });

  for (const teacherMode of ["eval", "train"] as const) {
    it(`resumes from its checkpoint in a fresh session to the same bits, teacher in ${teacherMode} mode`, async () => {
      const path = scratch(`${teacherMode}.safetensors`);
      const session = await newSession({ teacherMode });
      await stopped(session);
      await session.saveCheckpoint(path, { note: "half way" });
      const fresh = await newSession({ teacherMode });
      // Earlier work of the fresh session must leave no trace.
      await fresh.trainEpoch(data, { ...options, epoch: 2 });
      expect(await fresh.loadCheckpoint(path)).to.deep.equal({ note: "half way" });
      expect(await fresh.position()).to.deep.equal(await session.position());
      await fresh.trainEpoch(data, options);
      const reference = await undisturbed({ teacherMode });
      expect(await weightsOf(fresh.distiller!)).to.deep.equal(await weightsOf(reference.distiller!));
      if (teacherMode === "train") {
        expect(await weightsOf(fresh.distiller!.teacher)).to.deep.equal(await weightsOf(reference.distiller!.teacher));
      }
      // Momentum buffers, too: the next epoch agrees.
      await fresh.trainEpoch(data, { ...options, epoch: 2 });
      await reference.trainEpoch(data, { ...options, epoch: 2 });
      expect(await weightsOf(fresh.distiller!)).to.deep.equal(await weightsOf(reference.distiller!));
    });
  }

  it("is not continued by another epoch", async () => {
    const session = await newSession();
    await stopped(session);
    expect((await session.trainEpoch(data, { ...options, epoch: 2 })).images).to.equal(2 * STEPS);
  });

  it("is forgotten when an own loop moves on to another epoch", async () => {
    const session = await newSession();
    await stopped(session);
    await session.setEpoch(2);
    expect(await session.position()).to.deep.include({ epoch: 2, step: 0 });
    expect((await session.trainEpoch(data, { ...options, epoch: 2 })).images).to.equal(2 * STEPS);
  });

  it("is not continued with another batch size, which would skip other images", async () => {
    const session = await newSession();
    await stopped(session);
    const error = await failureOf("INVALID_ARGUMENT", () => session.trainEpoch(data, { ...options, batchSize: 4 }));
    expect(error.message).to.include("batch size");
    expect((await session.trainEpoch(data, options)).images).to.equal(2 * STEPS);
  });

  it("is not begun where the signal was given before", async () => {
    const session = await newSession();
    const error = await failureOf("ABORTED",
      () => session.trainEpoch(data, { ...options, signal: AbortSignal.abort("enough") }));
    expect(error.cause).to.equal("enough");
    expect((await session.position()).totalSteps).to.equal(0);
  });

  it("leaves its signal without listeners of its own", async () => {
    const session = await newSession();
    const { signal } = new AbortController();
    const epoch = session.trainEpoch(data, { ...options, signal });
    expect(getEventListeners(signal, "abort")).to.have.length(1);
    await epoch;
    expect(getEventListeners(signal, "abort")).to.be.empty;
  });
});

describe("a checkpoint", () => {
  let data: Dataset;
  const scratch = scratchDirectory();

  before(async () => {
    data = await smallData({ train: 8 });
  });
  after(() => {
    data.dispose();
  });

  const newSession = async (): Promise<Session> => createSession({ model: await smallModel(), threads: 1 });

  it("is refused by a session of another network, which stays as it was", async () => {
    const path = scratch("resnet8.safetensors");
    await (await newSession()).saveCheckpoint(path);
    for (const model of [await smallModel({ numClasses: 3 }), await createModel("resnet14", { numClasses: CLASSES })]) {
      const other = await createSession({ model, threads: 1 });
      const before = await weightsOf(model);
      await failureOf("STATE_DICT_MISMATCH", () => other.loadCheckpoint(path));
      expect(await weightsOf(model)).to.deep.equal(before);
    }
    const distilling = await createSession({ distiller: await smallDistiller(), threads: 1 });
    await failureOf("STATE_DICT_MISMATCH", () => distilling.loadCheckpoint(path));
  });

  it("is not a file of weights alone", async () => {
    const path = scratch("weights.safetensors");
    const session = await newSession();
    await session.model.save(path);
    const error = await failureOf("FILE_CORRUPT", () => session.loadCheckpoint(path));
    expect(error.message).to.include("only weights").and.to.include(path);
  });

  it("has to be there, and its directory, too", async () => {
    const session = await newSession();
    await failureOf("FILE_NOT_FOUND", () => session.loadCheckpoint(scratch("nothing.safetensors")));
    await failureOf("FILE_ACCESS", () => session.saveCheckpoint(scratch("nowhere", "last.safetensors")));
  });

  it("of a finished epoch begins the next one from its start", async () => {
    const path = scratch("finished.safetensors");
    const session = await newSession();
    await session.trainEpoch(data, { epoch: 0, epochs: 2, batchSize: 4 });
    await session.saveCheckpoint(path);
    const fresh = await newSession();
    await fresh.loadCheckpoint(path);
    for (const continued of [session, fresh]) await continued.trainEpoch(data, { epoch: 1, epochs: 2, batchSize: 4 });
    expect(await fresh.position()).to.deep.equal({ epoch: 1, step: 2, steps: 2, totalSteps: 4 });
    expect(await weightsOf(fresh.model)).to.deep.equal(await weightsOf(session.model));
  });
});
