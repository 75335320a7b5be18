// One of the processes ends or hangs: the others end soon, and say which and why.
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { readFitProgress } from "../../../lib/runs/run-state.js";
import { writeImageFolder } from "../../support/image-files.js";
import { useDirectory, type Finished, type Running } from "../helpers.js";
import { allFinished, errorsOf, isAlive, reportsOf, startRanks, textOf } from "./ranks.js";

const SECONDS = 6;
/** Hundreds of epochs: none of these tests waits for their end. */
const LONG = ["train", "--model", "resnet8", "--data", "synthetic:numClasses=4,trainSamples=48,testSamples=16",
  "--batch-size", "16", "--threads", "1", "--epochs", "2000", "--checkpoint-minutes", "0.001", "--json",
  "--process-timeout", String(SECONDS)] as const;

interface Reported {
  readonly code: string;
  readonly message: string;
}

describe("several processes of which one", function () {
  this.timeout(120_000);
  const directory = useDirectory();

  /** Starts three processes, and waits until they have trained an epoch. */
  async function startTraining(run: string): Promise<Running[]> {
    const ranks = await startRanks(3, { words: [...LONG, "--run", join(directory.path, run)] });
    await ranks[0]!.until(/"type":"epoch"/);
    return ranks;
  }

  /** Of all but the one that was lost. */
  function expectLost(results: readonly Finished[], lost: number, how: RegExp): void {
    for (const [rank, result] of results.entries()) {
      if (rank === lost) continue;
      expect(result.code, textOf(results)).to.equal(1);
      const [error] = errorsOf(result);
      expect(error?.code, textOf(results)).to.equal("PROCESS_LOST");
      expect(error?.message).to.match(how).and.to.include(`rank ${lost} (`);
      expect(error?.message).to.include("last.safetensors");
    }
  }

  /** Nothing half-written, no lock, and a checkpoint from which the run resumes. */
  async function expectCleanRun(name: string, isLocked = false): Promise<void> {
    const run = join(directory.path, name);
    const files = await readdir(run);
    expect(files.filter((file) => /tmp|\.part/.test(file))).to.deep.equal([]);
    expect(files.includes("run.lock")).to.equal(isLocked);
    expect((await readFitProgress(run))?.epochsDone).to.be.at.least(1);
    const lines = (await readFile(join(run, "metrics.jsonl"), "utf8")).trimEnd().split("\n");
    for (const line of lines) expect(JSON.parse(line)).to.have.property("epoch");
  }

  for (const lost of [0, 2]) {
    it(`is killed, rank ${lost}, is named by the others`, async () => {
      const ranks = await startTraining(`killed-${lost}`);
      ranks[lost]!.child.kill("SIGKILL");
      const results = await allFinished(ranks);
      expect(results[lost]?.signal).to.equal("SIGKILL");
      expectLost(results, lost, /lost .*ended without an error of its own/);
      // The first one has the run directory.
      if (lost > 0) await expectCleanRun(`killed-${lost}`);
    });

    it(`hangs, rank ${lost}, is named by the others after the timeout`, async () => {
      const ranks = await startTraining(`stopped-${lost}`);
      const { child } = ranks[lost]!;
      child.kill("SIGSTOP");
      try {
        const others = await allFinished(ranks.filter((_, rank) => rank !== lost));
        others.splice(lost, 0, { code: null, signal: null, stdout: "", stderr: "" });
        expectLost(others, lost, /lost .*it hangs or cannot be reached/);
        if (lost > 0) await expectCleanRun(`stopped-${lost}`);
      } finally {
        child.kill("SIGCONT");
      }
      // Who comes back finds itself alone.
      const late = await ranks[lost]!.finished;
      expect(late.code, textOf([late])).to.equal(1);
      expect(errorsOf(late)[0]?.code).to.equal("PROCESS_LOST");
      expect(ranks.map((rank) => isAlive(rank.child.pid))).to.deep.equal([false, false, false]);
      if (lost === 0) await expectCleanRun("stopped-0");
    });
  }

  it("is killed while the others are asked to stop, is named by the first of them", async () => {
    const ranks = await startTraining("killed-and-stopped");
    ranks[2]!.child.kill("SIGKILL");
    // As torchrun does as soon as it sees the end of one.
    for (const rank of ranks.slice(0, 2)) rank.child.kill("SIGTERM");
    const results = (await allFinished(ranks)).slice(0, 2);
    // Those that had lost it before the signal came say so as an error.
    for (const { code } of results) expect(code, textOf(results)).to.be.oneOf([1, 130]);
    expect(results.map(({ stdout, stderr }) => stdout + stderr).join("\n")).to.match(/lost rank 2 \(/);
    await expectCleanRun("killed-and-stopped");
  });

  it("is killed while another takes long for its step: all name the same one", async () => {
    const ranks = await startRanks(3, { program: "loop.mjs", words: ["slow", "100"] });
    // The second one now pauses for seconds, and notices nothing meanwhile.
    await Promise.all(ranks.map(async (rank) => rank.until(/"type":"step"/)));
    ranks[2]!.child.kill("SIGKILL");
    const results = (await allFinished(ranks)).slice(0, 2);
    expect(results.map(({ code }) => code), textOf(results)).to.deep.equal([0, 0]);
    const [first, second] = results.map((result) => reportsOf(result).at(-1)?.["failed"] as Reported | undefined);
    expect(first?.code, textOf(results)).to.equal("PROCESS_LOST");
    expect(first?.message).to.match(/^lost rank 2 \(.*ended without an error of its own/).and.not.include("rank 1");
    expect(second).to.deep.equal(first);
  });

  it("cannot create its session, is named with the reason by the others", async () => {
    // No process has a GPU.
    const env = { CUDA_VISIBLE_DEVICES: "" };
    const results = await allFinished(await startRanks(3, { program: "loop.mjs", words: ["incapable", "100"], env }));
    expect(results.map(({ code }) => code), textOf(results)).to.deep.equal([0, 0, 0]);
    const failed = results.map((result) => reportsOf(result).at(-1)?.["failed"] as Reported | undefined);
    expect(failed[1]?.code, textOf(results)).to.equal("CUDA_UNAVAILABLE");
    for (const other of [failed[0], failed[2]]) {
      expect(other?.code, textOf(results)).to.equal("PROCESS_LOST");
      expect(other?.message).to.match(/^rank 1 \(.* ended with CUDA_UNAVAILABLE: /);
    }
  });

  it("is killed while the others connect their sessions, is named by them", async () => {
    const ranks = await startRanks(3, { program: "loop.mjs", words: ["absent", "100"] });
    await Promise.all(ranks.map(async (rank) => rank.until(/"connecting"/)));
    ranks[1]!.child.kill("SIGKILL");
    const results = await allFinished(ranks);
    expect(results.map(({ code }) => code), textOf(results)).to.deep.equal([0, null, 0]);
    for (const rank of [0, 2]) {
      const failed = reportsOf(results[rank]!).at(-1)?.["failed"] as Reported | undefined;
      expect(failed?.code, textOf(results)).to.equal("PROCESS_LOST");
      expect(failed?.message).to.match(/^lost rank 1 \(/).and.not.include("rank 2");
    }
  });

  it("cannot decode an image, is named with the reason by the others, which end at once", async () => {
    const data = join(directory.path, "folder");
    if (!existsSync(data)) await writeImageFolder(data, { cup: { train: 8, val: 2 }, fork: { train: 8, val: 2 } });
    await writeFile(join(data, "train", "fork", "3.jpg"), "no image");
    const words = ["train", "--model", "resnet8", "--data", `image-folder:${data}`, "--image-size", "16",
      "--batch-size", "8", "--epochs", "2", "--threads", "1", "--run", join(directory.path, "broken"),
      "--process-timeout", "100"];
    const results = await allFinished(await startRanks(2, { words }));
    expect(results.map(({ code }) => code), textOf(results)).to.deep.equal([1, 1]);
    const errors = results.map((result) => errorsOf(result)[0]!);
    const own = errors.findIndex(({ code }) => code === "FILE_CORRUPT");
    expect(own, textOf(results)).to.be.at.least(0);
    expect(errors[own]?.message).to.include("3.jpg");
    expect(errors[1 - own]).to.include({ code: "PROCESS_LOST" });
    expect(errors[1 - own]?.message).to.include(`rank ${own} (`).and.include("ended with FILE_CORRUPT").and.include(
      "3.jpg",
    );
    expect((await readdir(join(directory.path, "broken"))).filter((name) => /tmp|lock/.test(name))).to.deep.equal([]);
  });

  it("lacks a file, is named with the reason by the others", async () => {
    const run = join(directory.path, "missing");
    const config = join(directory.path, "config.json");
    await writeFile(config, "{}");
    const results = await allFinished(
      await startRanks(2,
        (rank) => ({ cwd: directory.path,
          words: ["train", "--model", "resnet8", "--data", "synthetic:numClasses=4,trainSamples=48,testSamples=16",
            "--run", run, "--epochs", "1", "--process-timeout", "100", "--config",
            rank === 0 ? config : join(directory.path, "none.json")] })),
    );
    expect(results.map(({ code }) => code), textOf(results)).to.deep.equal([1, 1]);
    expect(errorsOf(results[1]!)[0]).to.include({ code: "FILE_NOT_FOUND" });
    expect(errorsOf(results[0]!)[0]?.message).to.include("rank 1 (").and.include("ended with FILE_NOT_FOUND");
    expect(existsSync(run)).to.equal(false);
  });

  it("diverges, ends with the others, naming the last checkpoint", async () => {
    const run = join(directory.path, "diverged");
    const words = [...LONG, "--run", run, "--learning-rate", "1e30", "--schedule", "constant", "--no-augment"];
    const results = await allFinished(await startRanks(2, { words }));
    expect(results.map(({ code }) => code), textOf(results)).to.deep.equal([1, 1]);
    const [error] = errorsOf(results[0]!);
    expect(error?.code, textOf(results)).to.equal("NON_FINITE_LOSS");
    expect(error?.message).to.match(/epoch 1: rank [01] \(.+, process \d+\): .*step/).and.match(/checkpoint/i);
    // The first one prints what all have in common.
    expect(errorsOf(results[1]!)).to.deep.equal([]);
  });
});
