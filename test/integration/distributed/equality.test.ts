// Trainings in several processes have the bits of one process that splits its batches into as many parts.
import { join } from "node:path";
import { expect } from "chai";
import { readStateDict } from "../../../lib/index.js";
import { pythonWithTorch } from "../../support/python-torch.js";
import { start, useDirectory, type Finished } from "../helpers.js";
import { programAt, reportsOf, startOne, succeedTogether, textOf } from "./ranks.js";

/** 2 batches of 16, and one of 3: smaller, and of fewer images than there are processes, if these are 4. */
const DATA = { trainSamples: 35, testSamples: 18 };

interface Case {
  readonly name: string;
  readonly dtype: "float32" | "float64";
  readonly fit?: object;
  readonly network?: string;
  readonly teacher?: string;
  readonly method?: object;
  readonly data?: object;
}

/** To the bit, with statistics of each process; also under a teacher, with the modules of the method. */
const CASES: readonly Case[] = [
  { name: "float64", dtype: "float64" },
  { name: "float32", dtype: "float32" },
  { name: "clipped", dtype: "float32", fit: { clipNorm: 0.5 } },
  { name: "bfloat16", dtype: "float32", fit: { precision: "bfloat16" } },
  // Whose weights have another order than their gradients, where an image lies channel by channel.
  { name: "depthwise", dtype: "float32", network: "mobilenetv2-half" },
  // Of a pooled stage, which it compares, each process needs two images.
  { name: "review", dtype: "float32", teacher: "resnet8", method: { kind: "review", midChannels: 8, warmupEpochs: 1 },
    data: { ...DATA, trainSamples: 40 } },
  // On a thread of its own.
  { name: "teacher ahead", dtype: "float32", teacher: "resnet8", method: { kind: "kd" }, fit: { teacherThreads: 1 } },
];
const SYNCED = { name: "synchronised", dtype: "float64", fit: { syncBatchNorm: true } } as const;
/** Within rounding: gradients are added in another order than those of one process. */
const CLOSE: readonly Case[] = [
  // The second batch of the step is the small one.
  { name: "accumulated", dtype: "float64", fit: { accumulateBatches: 2 }, data: { ...DATA, trainSamples: 19 } },
  SYNCED,
  { name: "synchronised and accumulated", dtype: "float64", fit: { syncBatchNorm: true, accumulateBatches: 2 },
    data: { ...DATA, trainSamples: 19 } },
];
const TOLERANCE = 1e-10;
/** The same once more, in the same processes. */
const AGAIN = { ...CASES[0]!, name: "again" };
const EXACT: readonly Case[] = [...CASES, AGAIN];
const ALL: readonly Case[] = [...EXACT, ...CLOSE];

describe("a training in several processes", function () {
  this.timeout(240_000);
  const directory = useDirectory();

  /** Trains and saves all cases below a folder; `parts`: micro-batches of a process alone. */
  const trainings = (folder: string, parts = 1): string =>
    JSON.stringify(
      ALL.map(({ fit, ...training }) => ({ data: DATA, ...training, save: fileOf(folder, training.name),
        fit: { ...fit, microBatches: "syncBatchNorm" in (fit ?? {}) ? 1 : parts } })
      ),
    );
  const fileOf = (folder: string, name: string): string =>
    join(directory.path, `${folder}-${name.replaceAll(" ", "-")}.safetensors`);

  /** Trains in one process by as many parts as `size`. */
  async function trainAlone(size: number): Promise<Finished> {
    const result = await startOne({ program: "train.mjs", words: [trainings(`alone-${size}`, size)] }).finished;
    expect(result.code, textOf([result])).to.equal(0);
    return result;
  }

  /** The parameters that gradients change; running statistics are averaged over the processes. */
  async function parametersOf(path: string): Promise<Map<string, ArrayLike<number>>> {
    const { state } = await readStateDict(path);
    const trained = Object.entries(state).filter(([name]) => !/running_|num_batches/.test(name));
    expect(trained).to.have.length.above(10);
    return new Map(trained.map(([name, tensor]) => [name, tensor.toTypedArray() as ArrayLike<number>]));
  }

  async function expectSameAsAlone(folder: string, size: number): Promise<void> {
    for (const { name } of ALL) {
      const together = await parametersOf(fileOf(folder, name));
      const alone = await parametersOf(fileOf(`alone-${size}`, name));
      expect([...together.keys()]).to.deep.equal([...alone.keys()]);
      const isExact = EXACT.some((exact) => exact.name === name);
      for (const [key, values] of together) {
        const expected = alone.get(key)!;
        if (isExact) expect(values, `${name}: ${key}`).to.deep.equal(expected);
        else expect(largestDifference(values, expected), `${name}: ${key}`).to.be.below(TOLERANCE);
      }
    }
  }

  const largestDifference = (values: ArrayLike<number>, others: ArrayLike<number>): number =>
    Array.from(values).reduce((largest, value, i) => Math.max(largest, Math.abs(value - others[i]!)), 0);

  /** All processes have the same network after each training, and the first and the last one are the same. */
  function expectSameInAll(results: readonly Finished[], size: number): Map<unknown, unknown> {
    const trained = reportsOf(...results).filter(({ type }) => type === "trained");
    expect(trained, textOf(results)).to.have.length(size * ALL.length);
    const sums = new Map<unknown, unknown>();
    for (const { name, checksum, rank } of trained) {
      expect(checksum, `${String(name)} in rank ${String(rank)}`).to.equal(sums.get(name) ?? checksum);
      sums.set(name, checksum);
    }
    expect(sums.get(AGAIN.name)).to.equal(sums.get(CASES[0]!.name));
    expect(new Set(sums.values())).to.have.property("size", ALL.length - 1);
    return sums;
  }

  /** The losses of all epochs are those of one process alone. */
  function expectSameLosses(results: readonly Finished[], alone: Finished): void {
    const names = EXACT.map(({ name }) => name);
    const losses = (result: Finished): unknown[] =>
      reportsOf(result).filter(({ type, name }) => type === "epoch" && names.includes(String(name))).map((event) => {
        const { losses, images } = event["train"] as { losses: object; images: number };
        return { name: event["name"], losses, images };
      });
    const expected = losses(alone);
    expect(expected).to.have.length(2 * EXACT.length);
    for (const result of results) expect(losses(result)).to.deep.equal(expected);
  }

  for (const size of [2, 4]) {
    it(`has the parameters and losses of one process with ${size} micro-batches, to the bit`, async () => {
      const alone = await trainAlone(size);
      const results = await succeedTogether(size, { program: "train.mjs", words: [trainings(`env-${size}`)] });
      expectSameInAll(results, size);
      expectSameLosses(results, alone);
      await expectSameAsAlone(`env-${size}`, size);
    });
  }

  it("is the same by `reviewkd launch`", async () => {
    const words = ["train", "--model", "resnet8", "--data", "synthetic:numClasses=4,trainSamples=35,testSamples=8",
      "--batch-size", "16", "--threads", "1", "--epochs", "2", "--run"];
    const [launched, alone] = [join(directory.path, "launched"), join(directory.path, "launched-alone")];
    const results = [await startOne({ words: ["launch", "--processes", "4", "--", ...words, launched] }).finished,
      await startOne({ words: [...words, alone, "--micro-batches", "4"] }).finished];
    expect(results.map(({ code }) => code), textOf(results)).to.deep.equal([0, 0]);
    const expected = await parametersOf(join(alone, "student.safetensors"));
    const together = await parametersOf(join(launched, "student.safetensors"));
    expect([...together.keys()]).to.deep.equal([...expected.keys()]);
    for (const [key, values] of together) expect(values, key).to.deep.equal(expected.get(key));
  });

  it("is the same under `torchrun`", async function () {
    const python = await pythonWithTorch();
    if (python === undefined) {
      this.test!.title += " (skipped: no Python with torch, set REVIEWKD_TEST_PYTHON)";
      this.skip();
    }
    for (const size of [2, 4]) {
      const words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", String(size), "--no-python",
        process.execPath, programAt("train.mjs"), trainings(`torchrun-${size}`)];
      const result = await start(words, { command: python, env: { OMP_NUM_THREADS: "1" } }).finished;
      expect(result.code, textOf([result])).to.equal(0);
      expectSameInAll([result], size);
      await expectSameAsAlone(`torchrun-${size}`, size);
    }
  });
});
