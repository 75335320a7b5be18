/** The programs on the recording runtime: each function is one program. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { createDistiller, createModel, createSession, loadDataset, ReviewKdError, systemInfo, Tensor, type Dataset,
  type Distiller, type Session } from "../../lib/index.js";
import { addon } from "../../lib/native.js";
import { sessionWithGroupOfOne } from "../support/group-of-one.js";
import { testingAddon } from "../support/testing-addon.js";
import { control } from "./control.js";

export type State = ReturnType<typeof control.state>;

/** The outcome of a call. */
export interface Outcome {
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly graph: { readonly replayed: boolean; readonly reason: string | null } | null;
}

const CLASSES = 10;
const BATCH = 8;

const dataOf = (steps: number, batch = BATCH): Promise<Dataset> =>
  loadDataset({ kind: "synthetic", numClasses: CLASSES, trainSamples: steps * batch, testSamples: 10, seed: 3 });

async function distillerOf(teacher = "resnet14", student = "resnet8"): Promise<Distiller> {
  return createDistiller({
    teacher: await createModel(teacher, { numClasses: CLASSES, seed: 1 }),
    student: await createModel(student, { numClasses: CLASSES, seed: 2 }),
    method: { kind: "review", weight: 0.6, warmupEpochs: 0 },
    seed: 3,
  });
}

const OPTIONS = { precision: "bfloat16", optimizer: { kind: "sgd", learningRate: 0.001, momentum: 0.9 } } as const;

const sessionOf = (distiller: Distiller, device: "cpu" | "cuda" = "cuda"): Promise<Session> =>
  createSession({ distiller, device, ...OPTIONS });

let epochs = 0;

/** An epoch, between the marks `begin NAME` and `end NAME`. */
async function train(session: Session, data: Dataset, name: string, batchSize = BATCH): Promise<Outcome> {
  control.mark(`begin ${name}`);
  try {
    const { graph } = await session.trainEpoch(data, { epoch: epochs++, epochs: 1000, batchSize, seed: 7 });
    return { error: null, graph: graph ?? null };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { error: { code: error instanceof ReviewKdError ? error.code : "none", message: error.message },
      graph: null };
  } finally {
    control.mark(`end ${name}`);
  }
}

/**
 * Sessions are destroyed on their threads, after `dispose` has returned: waits until no graph is left and nothing
 * changes anymore, at most 30 seconds.
 */
async function released(): Promise<void> {
  let before = "";
  const end = performance.now() + 30_000;
  for (let quiet = 0; quiet < 4 && performance.now() < end;) {
    await setTimeout(50);
    const state = control.state();
    const now = JSON.stringify(state);
    quiet = now === before && state.graphExecs === 0 ? quiet + 1 : 0;
    before = now;
  }
}

function batchOf(images = BATCH): { images: Tensor; labels: Tensor } {
  return { images: Tensor.from(new Float32Array(images * 3 * 32 * 32), [images, 3, 32, 32]),
    labels: Tensor.from(new BigInt64Array(images), [images]) };
}

export const SCENARIOS = {
  /** Trains an epoch on the CPU, then looks for a CUDA device. */
  async "device after the CPU"() {
    const session = await sessionOf(await distillerOf(), "cpu");
    const outcome = await train(session, await dataOf(1), "cpu");
    return { outcome, cuda: (await systemInfo()).cuda };
  },

  /** Several epochs of one session, named `1`, `2` … */
  async epochs(
    { count = 1, steps = 8, teacher = "resnet14", student = "resnet8" }: { count?: number; steps?: number;
      teacher?: string; student?: string },
  ) {
    const data = await dataOf(steps);
    const session = await sessionOf(await distillerOf(teacher, student));
    const outcomes: Outcome[] = [];
    for (let epoch = 1; epoch <= count; ++epoch) outcomes.push(await train(session, data, String(epoch)));
    return { outcomes, state: control.state() };
  },

  /** Two sessions: a failure injected by the caller affects the first one. */
  async "two sessions"({ steps = 10 }: { steps?: number }) {
    const data = await dataOf(steps);
    const first = await sessionOf(await distillerOf());
    const failed = await train(first, data, "first");
    const between = control.state();
    const second = await sessionOf(await distillerOf());
    const other = await train(second, data, "second");
    const later = await train(first, data, "third");
    const state = control.state();
    first.dispose();
    second.dispose();
    return { failed, other, later, between, state };
  },

  /**
   * Sequential sessions, each disposed before the next one starts; in each of them `fail` fails. `recorded`: the first
   * one with recorded steps.
   */
  async "disposed sessions"(
    { sessions = 1, fail = "", recorded = 0 }: { sessions?: number; fail?: string; recorded?: number },
  ) {
    const data = await dataOf(6);
    const outcomes: Outcome[] = [];
    for (let index = 0; index < sessions; ++index) {
      process.env["REVIEWKD_CUDA_GRAPHS"] = index < recorded ? "0" : "1";
      const distiller = await distillerOf();
      const session = await sessionOf(distiller);
      control.failNext(fail);
      outcomes.push(await train(session, data, String(index)));
      for (const owner of [session, distiller, distiller.student, distiller.teacher]) owner.dispose();
      await released();
    }
    return { outcomes, state: control.state() };
  },

  /** A session whose teacher's weights are loaded before each epoch. */
  async "other teachers"({ count = 5 }: { count?: number }) {
    const data = await dataOf(6);
    const distiller = await distillerOf();
    const session = await sessionOf(distiller);
    const other = await (await createModel("resnet14", { numClasses: CLASSES, seed: 9 })).stateDict();
    const outcomes: Outcome[] = [];
    const states: State[] = [];
    for (let epoch = 0; epoch < count; ++epoch) {
      await distiller.teacher.loadStateDict(other);
      outcomes.push(await train(session, data, String(epoch)));
      states.push(control.state());
    }
    return { outcomes, states };
  },

  /** Sessions that train at the same time, on their own threads, and then evaluate; epochs start together. */
  async "concurrent sessions"(
    { count = 2, steps = 12, epochs: length = 1 }: { count?: number; steps?: number; epochs?: number },
  ) {
    const data = await dataOf(steps);
    const sessions: Session[] = [];
    for (let index = 0; index < count; ++index) sessions.push(await sessionOf(await distillerOf()));
    const outcomes: Outcome[] = [];
    for (let epoch = 1; epoch <= length; ++epoch)
      outcomes.push(...await Promise.all(sessions.map((session, index) => train(session, data, `${epoch} ${index}`))));
    await Promise.all(sessions.map((session) => session.evaluate(data.test)));
    return { outcomes, state: control.state() };
  },

  /** Sessions on `threads` parallel threads, sequential on each: some are recorded while others are disposed. */
  async "overlapping sessions"({ threads = 3, sessions = 4 }: { threads?: number; sessions?: number }) {
    const outcomes = await Promise.all(Array.from({ length: threads }, async (_, thread) => {
      const each: Outcome[] = [];
      for (let index = 0; index < sessions; ++index) {
        const distiller = await distillerOf();
        const session = await sessionOf(distiller);
        each.push(await train(session, await dataOf(4 + thread), `${thread} ${index}`));
        for (const owner of [session, distiller, distiller.student, distiller.teacher]) owner.dispose();
      }
      return each;
    }));
    await released();
    return { outcomes: outcomes.flat(), state: control.state() };
  },

  /** Trains with batches of each size until they are recorded. */
  async shapes({ sizes = [16, 12, 8], steps = 5 }: { sizes?: number[]; steps?: number }) {
    const session = await sessionOf(await distillerOf());
    const outcomes: Outcome[] = [];
    const states: State[] = [];
    for (const size of sizes) {
      using data = await dataOf(steps, size);
      outcomes.push(await train(session, data, String(size), size));
      states.push(control.state());
    }
    return { outcomes, states };
  },

  /** Sessions that exist at the same time, each with its own networks; one step each, between marks. */
  async "many sessions"({ count = 33 }: { count?: number }) {
    const data = await dataOf(1);
    const sessions: Session[] = [];
    const outcomes: Outcome[] = [];
    for (let index = 0; index < count; ++index) {
      const session = await sessionOf(await distillerOf("resnet8"));
      sessions.push(session);
      outcomes.push(await train(session, data, String(index)));
    }
    for (const session of sessions) session.dispose();
    return { outcomes };
  },

  /** A step in which a call fails, then one without and an evaluation, then an epoch that is recorded. */
  async "failing step"({ fail = "" }: { fail?: string }) {
    const data = await dataOf(8);
    const session = await sessionOf(await distillerOf());
    await train(session, await dataOf(1), "before");
    control.failNext(fail);
    const failing = await train(session, await dataOf(1), "failing");
    const state = control.state();
    const after = await train(session, await dataOf(1), "after");
    control.mark("begin evaluation");
    await session.evaluate(data.test);
    control.mark("end evaluation");
    return { failing, after, recorded: await train(session, data, "recorded"), state };
  },

  /** A session whose networks a later one moves to another device. */
  async "moved networks"() {
    const data = await dataOf(6);
    const distiller = await distillerOf();
    const first = await sessionOf(distiller);
    const before = await train(first, data, "first");
    await sessionOf(distiller, "cpu");
    return { before, moved: await train(first, data, "moved") };
  },

  /** Saves a checkpoint after a step. */
  async checkpoint({ teacher = "resnet14" }: { teacher?: string }) {
    const folder = await mkdtemp(join(tmpdir(), "reviewkd-recorded-"));
    try {
      const session = await sessionOf(await distillerOf(teacher));
      const outcome = await train(session, await dataOf(1), "step");
      control.mark("begin save");
      await session.saveCheckpoint(join(folder, "checkpoint.safetensors"));
      control.mark("end save");
      return { outcome };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },

  /** Measures kernels, like the start of `bench:gpu`. */
  async "kernel rates"() {
    return {
      rates: await testingAddon().kernelRates({ device: "cuda", bfloat16: true, images: 2, channels: 64, side: 32,
        runs: 1 }),
    };
  },

  /** Sequential sessions with a process group of one, an epoch each. */
  async "group of one"({ sessions = 2 }: { sessions?: number }) {
    const data = await dataOf(3);
    const backends = await addon().processGroupBackends();
    const outcomes: Outcome[] = [];
    for (let index = 0; index < sessions; ++index) {
      const model = await createModel("resnet8", { numClasses: CLASSES, seed: 1 });
      const session = await sessionWithGroupOfOne({ ...OPTIONS, device: "cuda" }, { model });
      outcomes.push(await train(session, data, String(index)));
      session.dispose();
      await released();
      control.mark(`disposed ${index}`);
    }
    return { backends, outcomes };
  },

  /** A step of a process group of one after an error that NCCL has reported meanwhile. */
  async "error of NCCL"() {
    const model = await createModel("resnet8", { numClasses: CLASSES, seed: 1 });
    const session = await sessionWithGroupOfOne({ ...OPTIONS, device: "cuda" }, { model });
    control.failNext("ncclCommGetAsyncError:1");
    await session.step(batchOf());
    await setTimeout(1000); // c10d's threads look ten times a second
    const start = performance.now();
    const error = await session.step(batchOf()).then(() => null, (reason: unknown) => reason as ReviewKdError);
    return { code: error?.code ?? null, message: error?.message ?? "", seconds: (performance.now() - start) / 1000 };
  },

  /** Steps of a custom loop. */
  async "own loop"({ steps = 6 }: { steps?: number }) {
    const session = await sessionOf(await distillerOf());
    const batch = batchOf();
    for (let step = 0; step < steps; ++step) {
      control.mark(`begin ${step}`);
      await session.step(batch);
      control.mark(`end ${step}`);
    }
    return {};
  },
};
