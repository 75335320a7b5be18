import { appendFile, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { expect } from "chai";
import { createRunDirectory, resumeRunDirectory, type RunDirectory } from "../../../lib/run-directory.js";
import type { EpochRecord } from "../../../lib/schemas/run-record.js";
import { failureOf, scratchDirectory } from "./small-run.js";

function record(epoch: number): EpochRecord {
  const losses = { total: 1, crossEntropy: 1, distillation: 0, distillationWeight: 0, perStage: [], terms: [] };
  const train = {
    epoch, step: 4, steps: 4, images: 64, losses, top1: 25, learningRate: 0.1, imagesPerSecond: 100, seconds: 1,
    stallSeconds: 0.1, stallFraction: 0.1, brokenImages: 0,
  };
  const test = { top1: 30 + epoch, top5: 90, loss: 1, samples: 32 };
  return { epoch, epochs: 10, train, test, learningRate: 0.1, best: { epoch, top1: test.top1 }, isBest: true, elapsedSeconds: epoch + 1 };
}

const CONFIG = { task: "train", data: { kind: "synthetic", seed: 1 }, training: { epochs: 10, threads: 2, device: "cpu", milestones: [1, 2] } };

describe("a run directory", () => {
  const scratch = scratchDirectory();

  const begun = async (config: unknown = CONFIG): Promise<RunDirectory> => {
    const run = await createRunDirectory(scratch("deep", "run"));
    await run.writeConfig(config);
    return run;
  };
  const withCheckpoint = async (): Promise<RunDirectory> => {
    const run = await begun();
    await writeFile(run.file("last"), "");
    return run;
  };

  it("is made with its parents, and leaves no temporary file beside its configuration", async () => {
    const run = await begun();
    expect(JSON.parse(await readFile(run.file("config"), "utf8"))).to.deep.equal(CONFIG);
    expect(await readdir(run.path)).to.deep.equal(["config.json"]);
  });

  it("may hold files that are of no run", async () => {
    await mkdir(scratch("notes"));
    await writeFile(scratch("notes", "notes.txt"), "");
    expect((await createRunDirectory(scratch("notes"))).path).to.equal(scratch("notes"));
  });

  it("is refused to a new run where it holds one that can be resumed", async () => {
    const { path } = await withCheckpoint();
    const error = await failureOf(createRunDirectory(path));
    expect(error.code).to.equal("RUN_DIRECTORY");
    expect(error.message).to.contain("holds a run already").and.to.contain("--resume");
  });

  it("is refused to a new run where one has begun in it, and not sent to resume what cannot be", async () => {
    const { path } = await begun();
    const error = await failureOf(createRunDirectory(path));
    expect(error.code).to.equal("RUN_DIRECTORY");
    expect(error.message).to.contain("saved no checkpoint (config.json)").and.not.to.contain("--resume");
  });

  it("says why it cannot be made", async () => {
    await writeFile(scratch("file"), "");
    const error = await failureOf(createRunDirectory(scratch("file", "run")));
    expect(error.code).to.equal("RUN_DIRECTORY");
    expect(error.message).to.contain(scratch("file", "run"));
    expect((error.cause as NodeJS.ErrnoException).code).to.equal("ENOTDIR");
  });

  it("reads back the epochs that were written", async () => {
    const run = await begun();
    await run.appendEpoch(record(0));
    await run.appendEpoch(record(1));
    expect(await run.readEpochs()).to.deep.equal([record(0), record(1)]);
  });

  it("has no epochs before the first", async () => {
    expect(await (await begun()).readEpochs()).to.deep.equal([]);
  });

  it("passes over a line that was cut in half", async () => {
    const run = await begun();
    await run.appendEpoch(record(0));
    await appendFile(run.file("metrics"), JSON.stringify(record(1)).slice(0, 40));
    expect(await run.readEpochs()).to.deep.equal([record(0)]);
  });

  it("cuts half lines and epochs that will be repeated", async () => {
    const run = await begun();
    for (const epoch of [0, 1, 2]) await run.appendEpoch(record(epoch));
    await appendFile(run.file("metrics"), '{"epoch":3');
    await run.keepEpochs(2);
    await run.appendEpoch(record(2));
    expect((await readFile(run.file("metrics"), "utf8")).split("\n").map((line) => line.slice(0, 10)))
      .to.deep.equal(['{"epoch":0', '{"epoch":1', '{"epoch":2', ""]);
  });

  it("tells that a line cannot be added", async () => {
    const run = await begun();
    await mkdir(run.file("metrics"));
    expect((await failureOf(run.appendEpoch(record(0)))).code).to.equal("RUN_DIRECTORY");
  });

  it("is opened to resume with the same configuration", async () => {
    const { path } = await withCheckpoint();
    expect((await resumeRunDirectory(path, structuredClone(CONFIG))).path).to.equal(path);
  });

  it("may be resumed on another device with another number of threads", async () => {
    const { path } = await withCheckpoint();
    const elsewhere = { ...CONFIG, training: { ...CONFIG.training, threads: 8, device: undefined } };
    expect((await resumeRunDirectory(path, elsewhere)).path).to.equal(path);
  });

  it("is not resumed with settings that differ, each of which is named", async () => {
    const { path } = await withCheckpoint();
    const changed = { ...CONFIG, task: "distill", training: { ...CONFIG.training, milestones: [1, 3] }, data: { kind: "synthetic" } };
    const error = await failureOf(resumeRunDirectory(path, changed));
    expect(error.code).to.equal("RUN_MISMATCH");
    expect(error.message.split("\n").slice(1, 4)).to.deep.equal([
      '  - task: was "train", now "distill"', "  - data.seed: was 1, now nothing", "  - training.milestones: was [1,2], now [1,3]",
    ]);
  });

  for (const [state, prepare, text] of [
    ["is not there", (): Promise<unknown> => Promise.resolve(), "got no config.json"],
    ["holds no checkpoint", begun, "got no last.safetensors"],
  ] as const) {
    it(`is not resumed where it ${state}`, async () => {
      await prepare();
      const error = await failureOf(resumeRunDirectory(scratch("deep", "run"), CONFIG));
      expect(error.code).to.equal("RUN_DIRECTORY");
      expect(error.message).to.contain(text);
    });
  }

  it("is not made by an attempt to resume", async () => {
    await failureOf(resumeRunDirectory(scratch("none"), CONFIG));
    expect(await stat(scratch("none")).catch(() => "missing")).to.equal("missing");
  });

  it("is not resumed where its configuration is no JSON", async () => {
    const run = await withCheckpoint();
    await writeFile(run.file("config"), "{");
    expect((await failureOf(resumeRunDirectory(run.path, CONFIG))).message).to.contain("expected JSON");
  });
});
