import { appendFile, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { createRunDirectory, isRunDirectory, openRunDirectory, resumeRunDirectory, type FoundRun,
  type RunDirectory } from "../../../lib/runs/run-directory.js";
import { ConfigChange, type EpochRecord } from "../../../lib/config/schemas/run-record.js";
import { failureOf, scratchDirectory } from "./small-run.js";

function record(epoch: number): EpochRecord {
  const losses = { total: 1, crossEntropy: 1, distillation: 0, distillationWeight: 0, perStage: [], terms: [] };
  const train = {
    epoch,
    step: 4,
    steps: 4,
    images: 64,
    losses,
    top1: 25,
    learningRate: 0.1,
    imagesPerSecond: 100,
    seconds: 1,
    dataWaitSeconds: 0.1,
    dataWaitFraction: 0.1,
    brokenImages: 0,
  };
  const test = { top1: 30 + epoch, top5: 90, loss: 1, samples: 32 };
  return { epoch, epochs: 10, train, test, learningRate: 0.1, best: { epoch, top1: test.top1 }, isBest: true,
    elapsedSeconds: epoch + 1 };
}

const CONFIG = { task: "train", data: { kind: "synthetic", seed: 1 },
  training: { epochs: 10, threads: 2, device: "cpu", milestones: [1, 2] } };

describe("a run directory", () => {
  const scratch = scratchDirectory();

  const open: RunDirectory[] = [];
  afterEach(() => {
    for (const run of open.splice(0)) run.close();
  });
  const kept = <Run extends RunDirectory>(run: Run): Run => {
    open.push(run);
    return run;
  };
  const started = async (config: unknown = CONFIG): Promise<RunDirectory> => {
    const run = kept(await createRunDirectory(scratch("deep", "run")));
    await run.writeConfig(config);
    return run;
  };
  /** Creates a run that no process has locked. */
  const ended = async (): Promise<RunDirectory> => {
    const run = await started();
    run.close();
    return run;
  };
  const withCheckpoint = async (): Promise<RunDirectory> => {
    const run = await ended();
    await writeFile(run.file("last"), "");
    return run;
  };
  const resume = async (path: string, config: unknown, options?: { override?: boolean }): Promise<RunDirectory> =>
    kept((await resumeRunDirectory(path, config, options)).run);
  const append = async (run: RunDirectory, epoch: number): Promise<void> => {
    run.addEpoch(record(epoch));
    await run.writeEpochs();
  };

  it("is created with its parents, and leaves no temporary file next to its configuration", async () => {
    const run = await started();
    expect(JSON.parse(await readFile(run.file("config"), "utf8"))).to.deep.equal(CONFIG);
    expect(await readdir(run.path)).to.deep.equal(["config.json", "run.lock"]);
    run.close();
    expect(await readdir(run.path)).to.deep.equal(["config.json"]);
  });

  it("may hold unrelated files", async () => {
    await mkdir(scratch("notes"));
    await writeFile(scratch("notes", "notes.txt"), "");
    expect(kept(await createRunDirectory(scratch("notes"))).path).to.equal(scratch("notes"));
  });

  it("is denied to a new run if it holds one that can be resumed", async () => {
    const { path } = await withCheckpoint();
    const error = await failureOf(createRunDirectory(path));
    expect(error.code).to.equal("RUN_DIRECTORY");
    expect(error.message).to.contain("the directory holds a run.").and.to.contain("--resume");
  });

  it("is denied to a new run if it holds one without a checkpoint, which can be resumed from the beginning", async () => {
    const { path } = await ended();
    const error = await failureOf(createRunDirectory(path));
    expect(error.code).to.equal("RUN_DIRECTORY");
    expect(error.message).to.contain("a run without a checkpoint (config.json)").and.to.contain("--resume");
    expect((await resume(path, CONFIG)).path).to.equal(path);
  });

  it("is denied to a run if it holds a study, but not below it", async () => {
    const study = scratch("study");
    await mkdir(study);
    await writeFile(join(study, "study.json"), "{}");
    for (const begin of [createRunDirectory, (path: string) => openRunDirectory(path, CONFIG)]) {
      const error = await failureOf(begin(study));
      expect(error).to.include({ code: "RUN_DIRECTORY" });
      expect(error.message).to.include("the directory holds a study (study.json)");
      expect(await readdir(study)).to.deep.equal(["study.json"]);
    }
    kept(await createRunDirectory(join(study, "cell")));
    expect((await readdir(study)).sort()).to.deep.equal(["cell", "study.json"]);
  });

  it("reports why it cannot be created", async () => {
    await writeFile(scratch("file"), "");
    const error = await failureOf(createRunDirectory(scratch("file", "run")));
    expect(error.code).to.equal("RUN_DIRECTORY");
    expect(error.message).to.contain(scratch("file", "run"));
    expect((error.cause as NodeJS.ErrnoException).code).to.equal("ENOTDIR");
  });

  it("reads back the written epochs", async () => {
    const run = await started();
    await append(run, 0);
    await append(run, 1);
    expect(await run.readEpochs()).to.deep.equal([record(0), record(1)]);
  });

  it("reads a loss that is not finite as NaN, since JSON has null for it", async () => {
    const run = await started();
    const diverged = (epoch: number): EpochRecord => ({ ...record(epoch), test: { ...record(epoch).test, loss: NaN } });
    run.addEpoch(diverged(0));
    run.addEpoch({ ...record(1), test: { ...record(1).test, loss: Infinity } });
    await run.writeEpochs();
    expect(await readFile(run.file("metrics"), "utf8")).to.contain('"loss":null');
    for (let round = 0; round < 2; ++round) {
      expect(await run.readEpochs()).to.deep.equal([diverged(0), diverged(1)]);
      await run.keepEpochs(2);
    }
  });

  it("has no epochs before the first", async () => {
    expect(await (await started()).readEpochs()).to.deep.equal([]);
  });

  it("ignores a truncated line", async () => {
    const run = await started();
    await append(run, 0);
    await appendFile(run.file("metrics"), JSON.stringify(record(1)).slice(0, 40));
    expect(await run.readEpochs()).to.deep.equal([record(0)]);
  });

  it("removes truncated lines and epochs that will be repeated", async () => {
    const run = await started();
    for (const epoch of [0, 1, 2]) await append(run, epoch);
    await appendFile(run.file("metrics"), '{"epoch":3');
    await run.keepEpochs(2);
    await append(run, 2);
    expect((await readFile(run.file("metrics"), "utf8")).split("\n").map((line) => line.slice(0, 10)))
      .to.deep.equal(['{"epoch":0', '{"epoch":1', '{"epoch":2', ""]);
  });

  it("reports that a line cannot be added", async () => {
    const run = await started();
    await mkdir(run.file("metrics"));
    expect((await failureOf(append(run, 0))).code).to.equal("RUN_DIRECTORY");
  });

  it("rewrites lines that were not or only partly added", async () => {
    const run = await started();
    await append(run, 0);
    const whole = await readFile(run.file("metrics"));
    await rm(run.file("metrics"));
    await mkdir(run.file("metrics"));
    await failureOf(append(run, 1));
    await rm(run.file("metrics"), { recursive: true });
    await writeFile(run.file("metrics"), whole);
    await truncate(run.file("metrics"), whole.length - 5);
    await append(run, 2);
    expect(await run.readEpochs()).to.deep.equal([record(0), record(1), record(2)]);
  });

  it("is recreated with its known files if it vanished", async () => {
    const run = await started();
    await append(run, 0);
    await rm(run.path, { recursive: true });
    await run.restore();
    expect(await readdir(run.path)).to.deep.equal(["config.json", "metrics.jsonl", "run.lock"]);
    expect(JSON.parse(await readFile(run.file("config"), "utf8"))).to.deep.equal(CONFIG);
    await append(run, 1);
    expect(await run.readEpochs()).to.deep.equal([record(0), record(1)]);
    expect((await failureOf(createRunDirectory(run.path))).code).to.equal("RUN_LOCKED");
  });

  it("is left to another run that took it after it vanished", async () => {
    const run = await started();
    await rm(run.path, { recursive: true });
    kept(await createRunDirectory(run.path));
    expect((await failureOf(run.restore())).code).to.equal("RUN_LOCKED");
  });

  it("is left to a process of another machine that took it over, where locks do not reach that machine", async () => {
    const run = await started();
    await append(run, 0);
    const lock = join(run.path, "run.lock");
    const theirs = JSON.stringify({ pid: 7, startTicks: 1, host: "elsewhere.invalid", bootId: "x",
      since: "2020-01-01T00:00:00.000Z" });
    expect(run.isHeld()).to.equal(true);
    await writeFile(lock, theirs);
    expect(run.isHeld()).to.equal(false);
    for (let tries = 0; tries < 2; ++tries) {
      const error = await failureOf(run.restore());
      expect(error.code).to.equal("RUN_LOCKED");
      expect(error.message).to.include("elsewhere.invalid");
    }
    run.close();
    expect(await readFile(lock, "utf8")).to.equal(theirs);
  });

  it("is cleared of temporary files of a killed process, and of nothing else", async () => {
    const { path } = await ended();
    const leftovers = ["last.safetensors.tmp-77", "epoch-0003.safetensors.tmp-77", "config.json.tmp-1",
      "previous.safetensors.tmp-77", "metrics.jsonl.tmp-9"];
    const others = ["notes.tmp-77", "last.safetensors.tmp-x", "my.tmp-7.txt"];
    for (const name of [...leftovers, ...others]) await writeFile(join(path, name), "half");
    await resume(path, CONFIG);
    expect((await readdir(path)).sort()).to.deep.equal(["config.json", "run.lock", ...others].sort());
  });

  it("records the former configuration when it changes", async () => {
    const { path } = await withCheckpoint();
    const changed = { ...CONFIG, training: { ...CONFIG.training, epochs: 12 } };
    const { run, found: { changes } } = await resumeRunDirectory(path, changed, { override: true });
    kept(run);
    expect(changes).to.deep.equal([{ key: "training.epochs", was: 10, now: 12 }]);
    await run.changeConfig(changed, { epoch: 3, step: 4, changes: [...changes] });
    expect(JSON.parse(await readFile(run.file("config"), "utf8"))).to.deep.equal(changed);
    expect(await run.formerConfigs()).to.deep.equal([CONFIG]);
    const line = ConfigChange.parse(JSON.parse(await readFile(run.file("history"), "utf8")));
    expect(line).to.deep.include({ epoch: 3, step: 4, changes, former: CONFIG });
    expect(Date.parse(line.time)).to.be.within(Date.now() - 60_000, Date.now());
  });

  it("is opened to resume with the same configuration", async () => {
    const { path } = await withCheckpoint();
    expect((await resume(path, structuredClone(CONFIG))).path).to.equal(path);
  });

  it("may be resumed on another device with other numbers of threads and workers, and save more often", async () => {
    const { path } = await withCheckpoint();
    const elsewhere = { ...CONFIG,
      training: { ...CONFIG.training, threads: 8, device: undefined, checkpointEvery: 5, keepCheckpoints: 2,
        checkpointMinutes: 1 }, data: { ...CONFIG.data, numWorkers: 4 } };
    expect((await resume(path, elsewhere)).path).to.equal(path);
  });

  it("is resumed where a setting that an earlier version did not have is null", async () => {
    const { path } = await withCheckpoint();
    const later = { ...CONFIG, training: { ...CONFIG.training, maxSteps: null } };
    const error = await failureOf(resumeRunDirectory(path, { ...later, training: { ...later.training, maxSteps: 3 } }));
    expect(error.code).to.equal("RUN_MISMATCH");
    expect(error.message).to.contain("training.maxSteps: was nothing, now 3");
    expect((await resume(path, later)).path).to.equal(path);
  });

  it("is not resumed with changed settings, each of which is listed", async () => {
    const { path } = await withCheckpoint();
    const changed = { ...CONFIG, task: "distill", training: { ...CONFIG.training, milestones: [1, 3] },
      data: { kind: "synthetic" } };
    const error = await failureOf(resumeRunDirectory(path, changed));
    expect(error.code).to.equal("RUN_MISMATCH");
    expect(error.message.split("\n").slice(1, 4)).to.deep.equal([
      '  - task: was "train", now "distill"',
      "  - data.seed: was 1, now nothing",
      "  - training.milestones: was [1,2], now [1,3]",
    ]);
  });

  it("is not resumed if it is missing", async () => {
    const error = await failureOf(resumeRunDirectory(scratch("deep", "run"), CONFIG));
    expect(error.code).to.equal("RUN_DIRECTORY");
    expect(error.message).to.contain("config.json is missing");
  });

  it("is not created by an attempt to resume", async () => {
    await failureOf(resumeRunDirectory(scratch("none"), CONFIG));
    expect(await stat(scratch("none")).catch(() => "missing")).to.equal("missing");
  });

  it("is not resumed if its configuration is not JSON", async () => {
    const run = await withCheckpoint();
    await writeFile(run.file("config"), "{");
    expect((await failureOf(resumeRunDirectory(run.path, CONFIG))).message).to.contain("expected JSON");
  });

  const opened = async (path: string, config: unknown = CONFIG): Promise<FoundRun | undefined> => {
    const { run, found } = await openRunDirectory(path, config);
    kept(run);
    expect(await readdir(path)).to.include("run.lock");
    return found;
  };

  it("begins a run if there is none, and resumes it otherwise", async () => {
    expect(await opened(scratch("deep", "other"))).to.equal(undefined);
    expect(await isRunDirectory(scratch("deep", "other"))).to.equal(false);
    const { path } = await ended();
    expect(await isRunDirectory(path)).to.equal(true);
    expect(await opened(path)).to.deep.equal({ changes: [] });
  });

  it("resumes a run only with its settings", async () => {
    const { path } = await ended();
    const changed = { ...CONFIG, task: "distill" };
    expect((await failureOf(openRunDirectory(path, changed))).code).to.equal("RUN_MISMATCH");
    const { run, found } = await openRunDirectory(path, changed, { override: true });
    kept(run);
    expect(found?.changes).to.deep.equal([{ key: "task", was: "train", now: "distill" }]);
  });

  for (const [state, text] of [["empty", ""], ["half-written", '{"task": "tr']] as const) {
    it(`begins again over a configuration that is ${state}, of a process that was killed, unless there are results`, async () => {
      const { path } = await ended();
      await writeFile(join(path, "config.json"), text);
      await writeFile(join(path, "config.json.tmp-77"), text);
      expect(await isRunDirectory(path)).to.equal(false);
      expect(await opened(path)).to.equal(undefined);
      expect(await readdir(path)).to.not.include("config.json.tmp-77");
      kept(open.pop()!).close();

      await writeFile(join(path, "metrics.jsonl"), "");
      expect((await failureOf(openRunDirectory(path, CONFIG))).message).to.contain("holds results of a run");
      await writeFile(join(path, "last.safetensors"), "");
      const { code, message } = await failureOf(openRunDirectory(path, CONFIG));
      expect(code).to.equal("RUN_DIRECTORY");
      expect(message).to.contain("config.json: expected JSON").and.to.contain("Restore the file to resume the run");
    });
  }

  it("is not opened by two at a time", async () => {
    const path = scratch("deep", "run");
    expect(await opened(path)).to.equal(undefined);
    expect((await failureOf(openRunDirectory(path, CONFIG))).code).to.equal("RUN_LOCKED");
  });
});
