// Training on a GPU: compared with the CPU, with and without recorded steps, across stop and resume. `npm run test:gpu`
// runs this on a GPU, test/unit/ops/device-kernels.long.test.ts on the host emulation, whose graphs repeat their
// work for each replay.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createDistiller, createModel, createSession, Tensor, type Batch, type Dataset,
  type Session } from "../../lib/index.js";
import type { Precision } from "../../lib/config/schemas/common.js";
import type { EpochSummary } from "../../lib/config/schemas/epoch.js";
import type { Losses } from "../../lib/config/schemas/losses.js";
import { TEST_DEVICE } from "../support/device.js";
import { failureOf } from "../support/errors.js";
import { normOf } from "../support/numeric.js";
import { smallData, weightsOf as weightsOfModel } from "../unit/training/small-training.js";

const DEVICE = TEST_DEVICE === "cuda" ? "cuda" : "cpu";
const RECORDED = { replayed: true, reason: null };
const NOT_RECORDED = { replayed: false, reason: "REVIEWKD_CUDA_GRAPHS is 0" };
const CLASSES = 10;
/**
 * Enough for both shapes of an epoch's batches to be recorded, and eight steps at a time. The host emulation is slow.
 */
const { EPOCHS, BATCH, SAMPLES, SIDE } = DEVICE === "cuda" ? { EPOCHS: 4, BATCH: 32, SAMPLES: 264, SIDE: 32 }
  : { EPOCHS: 4, BATCH: 6, SAMPLES: 52, SIDE: 16 };
const ALL = Array.from({ length: EPOCHS }, (_, epoch) => epoch);

const dataOf = (train: number): Promise<Dataset<Batch>> =>
  smallData({ train, test: 100, classes: CLASSES, side: SIDE });

async function sessionOn(device: "cpu" | "cuda",
  { precision = "float32", clipNorm = null, microBatches = 1, accumulateBatches = 1, learningRate = 0.05,
    fused = true }: {
      precision?: Precision;
      clipNorm?: number | null;
      microBatches?: number;
      accumulateBatches?: number;
      learningRate?: number;
      fused?: boolean;
    } = {}): Promise<Session> {
  const distiller = await createDistiller({
    teacher: await createModel("resnet14", { numClasses: CLASSES, seed: 1 }),
    student: await createModel("resnet8", { numClasses: CLASSES, seed: 2 }),
    method: { kind: "review", weight: 0.6, warmupEpochs: 2 },
    seed: 3,
  });
  return createSession({ distiller, device, precision, clipNorm, microBatches, accumulateBatches, fused,
    optimizer: { kind: "sgd", learningRate } });
}

/** The last batch of an epoch is smaller: there are two shapes. */
async function train(session: Session, data: Dataset<Batch>, epochs: readonly number[],
  batchSize = BATCH): Promise<EpochSummary[]> {
  const summaries: EpochSummary[] = [];
  for (const epoch of epochs)
    summaries.push(await session.trainEpoch(data, { epoch, epochs: EPOCHS, batchSize, seed: 7 }));
  return summaries;
}

type Weights = Readonly<Record<string, Float64Array>>;

const weightsOf = (session: Session): Promise<Weights> => weightsOfModel(session.model);

function distance(got: Weights, want: Weights): number {
  expect(Object.keys(got)).to.deep.equal(Object.keys(want));
  const distances = Object.entries(want).map(([name, values]) =>
    normOf(Array.from(got[name]!, (value, i) => value - values[i]!)) / Math.max(normOf(Array.from(values)), 1e-3)
  );
  return Math.max(...distances);
}

interface Outcome {
  readonly summaries: readonly EpochSummary[];
  readonly weights: Weights;
}

/** Sets REVIEWKD_CUDA_GRAPHS: none, depending on the time of a step, or several steps in one. */
async function withGraphs<Result>(graphs: "0" | "1" | "8", work: () => Promise<Result>): Promise<Result> {
  process.env["REVIEWKD_CUDA_GRAPHS"] = graphs;
  try {
    return await work();
  } finally {
    delete process.env["REVIEWKD_CUDA_GRAPHS"];
  }
}

describe("training on a GPU", function () {
  this.timeout(300_000);
  let data: Dataset<Batch>;
  let folder: string;
  const plainOutcomes = new Map<string, Promise<Outcome>>();

  /** A whole training without recorded steps; one for all tests with these options. */
  function trainedPlainly(options: Parameters<typeof sessionOn>[1] = {}): Promise<Outcome> {
    const key = JSON.stringify(options);
    const outcome = plainOutcomes.get(key) ?? withGraphs("0", async () => {
      using session = await sessionOn(DEVICE, options);
      return { summaries: await train(session, data, ALL), weights: await weightsOf(session) };
    });
    plainOutcomes.set(key, outcome);
    return outcome;
  }

  before(async () => {
    data = await dataOf(SAMPLES);
    folder = await mkdtemp(join(tmpdir(), "reviewkd-gpu-"));
  });
  after(async () => {
    data.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  // One step from the same values: sums in another order, and values within rounding of 0 on the other side of a ReLU.
  // Parameters that started as 0 are only a gradient afterwards, and differ most. Roundings of bfloat16 are 2⁻⁸,
  // through some twenty layers and back.
  for (const [precision, lossBound, bound] of [["float32", 1e-4, 5e-3], ["bfloat16", 0.03, 0.25]] as const) {
    it(`takes a step that equals the CPU's within ${lossBound} and ${bound} in ${precision}`, async () => {
      const losses: Losses[] = [];
      const weights: Weights[] = [];
      // PyTorch's operations on the CPU, without any plugin.
      for (const [device, fused] of [["cpu", false], [DEVICE, true]] as const) {
        using session = await sessionOn(device, { precision, fused });
        for await (const batch of data.train.batches({ batchSize: 32, seed: 1 })) {
          losses.push((await session.step(batch)).losses);
          break;
        }
        weights.push(await weightsOf(session));
      }
      const [cpu, cuda] = losses as [Losses, Losses];
      for (const key of ["total", "crossEntropy", "distillation"] as const)
        expect(Math.abs(cuda[key] / cpu[key] - 1), key).to.be.lessThan(lossBound);
      expect(distance(weights[1]!, weights[0]!)).to.be.lessThan(bound);
    });
  }

  for (const [options, graphs] of [[{}, "1"], [{}, "8"], [{ precision: "bfloat16" as const }, "8"], [{ clipNorm: 0.5 },
    "1"], [{ microBatches: 2 }, "1"], [{ accumulateBatches: 2 }, "1"], [{ accumulateBatches: 2, microBatches: 2,
    clipNorm: 0.5 }, "8"]] as const) {
    it(`gives the same bits with recorded steps, ${graphs} at most in a graph, and without: ${JSON.stringify(options)}`, async () => {
      using recording = await sessionOn(DEVICE, options);
      const recorded = await withGraphs(graphs, () => train(recording, data, ALL));
      expect(recorded.at(-1)!.graph).to.deep.equal(RECORDED);
      const { summaries, weights } = await trainedPlainly(options);
      expect(summaries.at(-1)!.graph).to.deep.equal(NOT_RECORDED);
      expect(recorded.map(({ losses, top1 }) => ({ losses, top1 }))).to.deep.equal(
        summaries.map(({ losses, top1 }) => ({ losses, top1 })),
      );
      expect(await weightsOf(recording)).to.deep.equal(weights);
    });
  }

  it("takes the steps of one large batch in parts, bit for bit, when it accumulates several batches", async () => {
    using even = await dataOf(16 * BATCH);
    using several = await sessionOn(DEVICE, { accumulateBatches: 2 });
    using one = await sessionOn(DEVICE, { microBatches: 2 });
    // Eight steps an epoch, so that graphs of several steps are recorded as well.
    const [accumulated, whole] = await withGraphs("8",
      async () => [await train(several, even, ALL), await train(one, even, ALL, 2 * BATCH)] as const);
    expect(accumulated.at(-1)).to.deep.include({ step: 8, steps: 8, images: 16 * BATCH, graph: RECORDED });
    expect(accumulated.map(({ losses, top1 }) => ({ losses, top1 }))).to.deep.equal(
      whole.map(({ losses, top1 }) => ({ losses, top1 })),
    );
    expect(await weightsOf(several)).to.deep.equal(await weightsOf(one));
  });

  it("takes the same step of the caller's batches, recorded or not", async () => {
    const batches: Batch[] = [];
    for await (const batch of data.train.batches({ batchSize: BATCH, seed: 1 })) batches.push(batch);
    const steps = async (graphs: "0" | "1"): Promise<[Losses[], Weights]> =>
      withGraphs(graphs, async () => {
        using session = await sessionOn(DEVICE);
        const losses: Losses[] = [];
        for (let step = 0; step < 6; ++step) losses.push((await session.step(batches.slice(step, step + 2))).losses);
        return [losses, await weightsOf(session)];
      });
    expect(await steps("1")).to.deep.equal(await steps("0"));
  });

  it("resumes from a checkpoint to the bits of an undisturbed run", async () => {
    using first = await sessionOn(DEVICE);
    await train(first, data, ALL.slice(0, -1));
    await first.saveCheckpoint(join(folder, "half.safetensors"));
    using second = await sessionOn(DEVICE);
    await second.loadCheckpoint(join(folder, "half.safetensors"));
    await train(second, data, ALL.slice(-1));
    expect(await weightsOf(second)).to.deep.equal((await trainedPlainly()).weights);
  });

  it("resumes within an epoch with the bits of an uninterrupted one", async () => {
    using whole = await sessionOn(DEVICE);
    const [uninterrupted] = await train(whole, data, [0]);
    using session = await sessionOn(DEVICE);
    const controller = new AbortController();
    const stopped = session.trainEpoch(data, { epoch: 0, epochs: EPOCHS, batchSize: BATCH, seed: 7,
      signal: controller.signal });
    controller.abort();
    await failureOf("ABORTED", () => stopped);
    const [continued] = await train(session, data, [0]);
    expect(continued!.losses).to.deep.equal(uninterrupted!.losses);
    expect(await weightsOf(session)).to.deep.equal(await weightsOf(whole));
  });

  it("evaluates like the CPU", async () => {
    using session = await sessionOn(DEVICE);
    await train(session, data, [0]);
    const there = await session.evaluate(data.test);
    await session.model.save(join(folder, "student.safetensors"));
    using here = await createModel("resnet8", { numClasses: CLASSES, weights: join(folder, "student.safetensors") });
    const wanted = await here.evaluate(data.test);
    expect(there.samples).to.equal(wanted.samples);
    // One image of a hundred may be between two classes.
    expect(Math.abs(there.top1 - wanted.top1)).to.be.at.most(1);
    expect(Math.abs(there.loss / wanted.loss - 1)).to.be.lessThan(1e-3);
  });

  it("names the step whose loss was not finite, and leaves the parameters from before it", async () => {
    using session = await sessionOn(DEVICE, { learningRate: 1e30 });
    const error = await failureOf("NON_FINITE_LOSS",
      () => session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: BATCH }));
    expect(error.message).to.match(/in step [12]\b/);
    const { totalSteps } = await session.position();
    expect(totalSteps).to.be.oneOf([1, 2]);
    const bad = Tensor.from(new Float32Array(2 * 3 * 32 * 32).fill(Number.NaN), [2, 3, 32, 32]);
    using good = await sessionOn(DEVICE);
    const before = await weightsOf(good);
    await failureOf("NON_FINITE_LOSS",
      () => good.step({ images: bad, labels: Tensor.from(BigInt64Array.of(0n, 1n), [2]) }));
    const parameters = Object.keys(await good.gradients()).filter((name) => name.startsWith("student.")).map((name) =>
      name.slice("student.".length)
    );
    const after = await weightsOf(good);
    expect(parameters).to.have.length.greaterThan(10);
    for (const name of parameters) expect(after[name], name).to.deep.equal(before[name]);
  });

  it("records again when the teacher's weights change", async () => {
    using session = await sessionOn(DEVICE);
    await train(session, data, [0]);
    const other = await createModel("resnet14", { numClasses: CLASSES, seed: 99 });
    await session.distiller!.teacher.loadStateDict(await other.stateDict());
    const [changed] = await train(session, data, [1]);
    const plain = await withGraphs("0", async () => {
      using again = await sessionOn(DEVICE);
      await train(again, data, [0]);
      await again.distiller!.teacher.loadStateDict(await other.stateDict());
      return (await train(again, data, [1]))[0]!;
    });
    expect(changed!.losses).to.deep.equal(plain.losses);
  });
});
