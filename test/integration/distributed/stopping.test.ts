// A signal to any one process stops all of them at the same step; the run resumes with another number of processes.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { useDirectory, type Finished, type JsonEvent, type Running } from "../helpers.js";
import { allFinished, errorsOf, reportsOf, startOne, startRanks, textOf } from "./ranks.js";
import { untilListening } from "./signals.js";

const TRAIN = ["train", "--model", "resnet8", "--batch-size", "8", "--threads", "1", "--epochs", "2000", "--json",
  "--process-timeout", "60", "--data"] as const;

describe("several processes of which one is stopped", function () {
  this.timeout(120_000);
  before(function () {
    if (process.platform === "win32") this.skip();
  });
  const directory = useDirectory();
  const at = (name: string): string => join(directory.path, name);

  async function startProcesses(size: number, words: readonly string[]): Promise<Running[]> {
    return size === 1 ? [startOne({ words })] : startRanks(size, { words });
  }

  /** All have stopped, at one step, which is saved. */
  async function expectStopped(ranks: readonly Running[], run: string): Promise<JsonEvent> {
    const results = await allFinished(ranks);
    expect(results.map(({ code }) => code), textOf(results)).to.deep.equal(results.map(() => 130));
    const interrupted = reportsOf(results[0]!).find(({ type }) => type === "interrupted");
    expect(interrupted, textOf(results)).to.include({ checkpoint: join(run, "last.safetensors") });
    expectNoErrors(results);
    expect((await readdir(run)).filter((name) => /tmp|lock/.test(name))).to.deep.equal([]);
    return interrupted!;
  }

  function expectNoErrors(results: readonly Finished[]): void {
    const codes = results.flatMap((result) => errorsOf(result).map(({ code }) => code));
    expect(codes.filter((code) => code !== "ABORTED"), textOf(results)).to.deep.equal([]);
  }

  it("stop by any signal to any rank, and resume with other numbers of processes", async () => {
    const run = at("chain");
    const words = [...TRAIN, "synthetic:numClasses=4,trainSamples=400,testSamples=8", "--run", run, "--resume", "auto"];
    const chain = [[2, "SIGINT", 1], [1, "SIGTERM", 0], [2, "SIGUSR1", 0], [3, "SIGTERM", 2], [2, "SIGUSR1",
      1]] as const;
    let before: { readonly size: number; readonly at: JsonEvent } | undefined;
    for (const [size, signal, rank] of chain) {
      const ranks = await startProcesses(size, words);
      await ranks[0]!.until(/"type":"progress"/);
      await delay(150);
      ranks[rank]!.child.kill(signal);
      const interrupted = await expectStopped(ranks, run);
      const events = reportsOf(await ranks[0]!.finished);
      const resumed = events.find(({ type }) => type === "resumed");
      const start = events.find(({ type }) => type === "start");
      if (before !== undefined) {
        expect(start).to.include({ startEpoch: before.at["epoch"], startStep: before.at["step"] });
        const changes = resumed?.["environment"] as { key: string; was: unknown; now: unknown }[];
        expect(changes.filter(({ key }) => key === "processes")).to.deep.equal([
          { key: "processes", was: before.size, now: size },
        ]);
        expect(resumed?.["changes"]).to.deep.equal([]);
      }
      before = { size, at: interrupted };
    }
  });

  it("stop in an evaluation", async () => {
    const run = at("evaluation");
    // One step of training, and seconds of evaluation.
    const words = [...TRAIN, "synthetic:numClasses=4,trainSamples=8,testSamples=6000", "--evaluation-batch-size", "8",
      "--run", run, "--resume", "auto"];
    const ranks = await startRanks(2, { words });
    await ranks[0]!.until(/"type":"progress"/);
    await delay(200);
    ranks[1]!.child.kill("SIGTERM");
    const interrupted = await expectStopped(ranks, run);
    // The epoch is trained, and not yet evaluated.
    expect(interrupted).to.include({ epoch: 0, step: 1 });
    const again = await startRanks(2, { words });
    await again[0]!.until(/"type":"epoch"/);
    again[0]!.child.kill("SIGINT");
    await expectStopped(again, run);
    const epoch = reportsOf(await again[0]!.finished).find(({ type }) => type === "epoch");
    expect(epoch).to.include({ epoch: 0 });
  });

  it("stop while they start", async function () {
    if (process.platform !== "linux") this.skip();
    const run = at("starting");
    // Drawing these takes ten times as long as Node's start. The first process, at which all meet, would not wait so
    // long for the others, and of one that ends before it comes they know nothing.
    const words = [...TRAIN, "synthetic:numClasses=4,trainSamples=60000,testSamples=8", "--run", run];
    const began = performance.now();
    const ranks = await startRanks(2, { words });
    await Promise.all(ranks.map(untilListening));
    await delay(3 * (performance.now() - began));
    ranks[1]!.child.kill("SIGTERM");
    const results = await allFinished(ranks);
    expect(results.map(({ code }) => code), textOf(results)).to.deep.equal([130, 130]);
    expectNoErrors(results);
    expect((await readdir(run).catch(() => [])).filter((name) => /tmp|lock/.test(name))).to.deep.equal([]);
  });
});
