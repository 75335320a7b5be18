import { mkdirSync } from "node:fs";
import { copyFile, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { expect } from "chai";
import { type Dataset } from "../../../lib/api/dataset.js";
import { loadDataset } from "../../../lib/datasets/load-dataset.js";
import { createDistiller } from "../../../lib/api/distiller.js";
import { fit } from "../../../lib/runs/fit.js";
import type { FitOptions } from "../../../lib/fit/plan.js";
import { createModel } from "../../../lib/api/model.js";
import { FitEvent } from "../../../lib/config/schemas/fit-event.js";
import { ConfigChange } from "../../../lib/config/schemas/run-record.js";
import { drain, failureOf, ofType, scratchDirectory, SMALL_DATA, SMALL_TRAINING } from "./small-run.js";

type Events = Awaited<ReturnType<typeof drain>>["events"];

describe("what fit saves", () => {
  let data: Dataset;
  const scratch = scratchDirectory();

  before(async () => {
    data = await loadDataset(SMALL_DATA);
  });
  after(() => {
    data.dispose();
  });

  const options = async (more: Partial<FitOptions> = {}): Promise<FitOptions> => {
    const model = await createModel("resnet8", { numClasses: 4, seed: 3 });
    return { model, data, ...SMALL_TRAINING, runDirectory: scratch("run"), retryDelaysMs: [], ...more } as FitOptions;
  };
  const run = async (more: Partial<FitOptions> = {}, onEvent?: (event: FitEvent) => void): Promise<Events> => {
    const { events } = await drain(fit(await options(more)), onEvent);
    for (const event of events) FitEvent.parse(event);
    return events;
  };
  const failing = async (more: Partial<FitOptions> = {},
    onEvent?: (event: FitEvent) => void): ReturnType<typeof failureOf> =>
    failureOf(drain(fit(await options(more)), onEvent));
  const bytes = async (...names: string[]): Promise<Buffer> => {
    const file = await readFile(scratch(...names));
    return file.subarray(8 + Number(file.readBigUInt64LE(0)));
  };
  const resumed = (events: Events): Extract<FitEvent, { type: "resumed" }> => ofType(events, "resumed")[0]!;

  describe("if the newest checkpoint is damaged", () => {
    for (const [damage, harm] of [
      ["truncated", (path: string): Promise<void> => truncate(path, 100_000)],
      ["empty", (path: string): Promise<void> => truncate(path, 0)],
      ["changed in one bit", async (path: string): Promise<void> => {
        const file = await readFile(path);
        file[file.length - 1000]! ^= 4;
        await writeFile(path, file);
      }],
      ["a weights file", (path: string): Promise<void> => copyFile(path.replace("last", "student"), path)],
    ] as const) {
      it(`names one that is ${damage}, and resumes from the previous one to the same bits`, async () => {
        await run({ epochs: 3, runDirectory: scratch("calm") });
        const controller = new AbortController();
        await failing({ epochs: 3, signal: controller.signal }, (event) => {
          if (event.type === "epoch" && event.epoch === 1) controller.abort();
        });
        await harm(scratch("run", "last.safetensors"));
        const events = await run({ epochs: 3, resume: true });
        expect(resumed(events)).to.deep.include({ checkpoint: scratch("run", "previous.safetensors"), changes: [],
          environment: [] });
        expect(resumed(events).damaged.map(({ path, code }) => [path, code])).to.deep.equal([[
          scratch("run", "last.safetensors"),
          "FILE_CORRUPT",
        ]]);
        expect(await bytes("run", "last.safetensors")).to.deep.equal(await bytes("calm", "last.safetensors"));
        expect(await readdir(scratch("run"))).to.include("last.safetensors.damaged");
      });
    }

    it("fails when no checkpoint is valid", async () => {
      await run();
      for (const name of ["last", "previous"]) await truncate(scratch("run", `${name}.safetensors`), 1000);
      const error = await failing({ resume: true });
      expect(error.code).to.equal("FILE_CORRUPT");
      expect(error.message).to.include("last.safetensors").and.to.include("previous.safetensors");
    });
  });

  it("starts from the beginning if a run ended before it saved anything", async () => {
    await run({ runDirectory: scratch("calm") });
    await run();
    for (const name of ["last", "previous", "best", "student"]) await rm(scratch("run", `${name}.safetensors`));
    const events = await run({ resume: true });
    expect(resumed(events).checkpoint).to.equal(null);
    expect(ofType(events, "epoch").map(({ epoch }) => epoch)).to.deep.equal([0, 1]);
    expect(await bytes("run", "last.safetensors")).to.deep.equal(await bytes("calm", "last.safetensors"));
    expect((await readFile(scratch("run", "metrics.jsonl"), "utf8")).trimEnd().split("\n")).to.have.lengthOf(2);
  });

  it("keeps the newest periodic checkpoints", async () => {
    const events = await run({ epochs: 7, checkpointEvery: 2, keepCheckpoints: 2 });
    const kept = ofType(events, "checkpoint").filter(({ kind }) => kind === "epoch");
    expect(kept.map(({ path, epoch }) => [basename(path), epoch])).to.deep.equal(
      [2, 4, 6].map((epochs) => [`epoch-000${epochs}.safetensors`, epochs - 1]),
    );
    expect((await readdir(scratch("run"))).filter((name) => name.startsWith("epoch-"))).to.deep.equal([
      "epoch-0004.safetensors",
      "epoch-0006.safetensors",
    ]);
    // A run can resume from them.
    await copyFile(scratch("run", "epoch-0004.safetensors"), scratch("run", "last.safetensors"));
    const whole = await bytes("run", "epoch-0006.safetensors");
    await run({ epochs: 7, checkpointEvery: 2, keepCheckpoints: 2, resume: true });
    expect(await bytes("run", "epoch-0006.safetensors")).to.deep.equal(whole);
  });

  it("saves within a long epoch without affecting the result", async () => {
    await run({ batchSize: 2, runDirectory: scratch("calm"), checkpointMinutes: null });
    const events = await run({ batchSize: 2, checkpointMinutes: 1e-9 });
    const within = events.flatMap((event,
      index) => (event.type === "checkpoint" && events[index - 1]?.type === "progress" ? [event] : [])
    );
    expect(within.length).to.be.above(0);
    expect(within[0]).to.deep.equal({ type: "checkpoint", kind: "last", path: scratch("run", "last.safetensors"),
      epoch: 0 });
    expect(await bytes("run", "last.safetensors")).to.deep.equal(await bytes("calm", "last.safetensors"));
  });

  it("resumes from a checkpoint within an epoch to the same bits and means", async () => {
    await run({ batchSize: 2, runDirectory: scratch("calm") });
    const training = fit(await options({ batchSize: 2, checkpointMinutes: 1e-9 }));
    // Leaving the loop loses the steps since the checkpoint, like a kill.
    for await (const event of training) if (event.type === "checkpoint") break;
    const events = await run({ batchSize: 2, resume: true });
    const start = ofType(events, "start")[0]!;
    expect([start.startEpoch, start.startStep > 0]).to.deep.equal([0, true]);
    expect(await bytes("run", "last.safetensors")).to.deep.equal(await bytes("calm", "last.safetensors"));
    const losses = async (name: string): Promise<unknown[]> =>
      (await readFile(scratch(name, "metrics.jsonl"), "utf8")).trimEnd().split("\n")
        .map((line) => (JSON.parse(line) as { train: { losses: unknown } }).train.losses);
    expect(await losses("run")).to.deep.equal(await losses("calm"));
  });

  describe("with a changed configuration", () => {
    it("lists the differences, unless overridden, which is recorded", async () => {
      await run({ epochs: 1 });
      const changed = { epochs: 2, optimizer: { kind: "sgd", learningRate: 0.01 }, resume: true } as const;
      const error = await failing(changed);
      expect(error.code).to.equal("RUN_MISMATCH");
      expect(error.message).to.include("training.epochs: was 1, now 2").and.to.include(
        "training.optimizer.learningRate: was 0.1, now 0.01",
      ).and.to.include("--override");

      const events = await run({ ...changed, override: true });
      expect(resumed(events).changes).to.deep.equal([
        { key: "training.optimizer.learningRate", was: 0.1, now: 0.01 },
        { key: "training.epochs", was: 1, now: 2 },
      ]);
      expect(ofType(events, "epoch").map(({ epoch, learningRate }) => [epoch, learningRate])).to.deep.equal([[1,
        0.01]]);
      const config = JSON.parse(await readFile(scratch("run", "config.json"), "utf8")) as {
        training: { epochs: number };
      };
      expect(config.training.epochs).to.equal(2);
      const line = ConfigChange.parse(JSON.parse(await readFile(scratch("run", "config-history.jsonl"), "utf8")));
      expect(line).to.deep.include({ epoch: 1, step: 0, changes: resumed(events).changes });
      expect((line.former as typeof config).training.epochs).to.equal(1);
      // These are now the settings of the run.
      expect((await run(changed)).map(({ type }) => type)).to.deep.equal(["start", "resumed", "end"]);
      expect((await failing({ epochs: 1, resume: true })).code).to.equal("RUN_MISMATCH");
    });

    it("keeps overridden settings, also if the run ended before it saved again", async () => {
      await run({ epochs: 1 });
      const training = fit(await options({ epochs: 2, resume: true, override: true }));
      for await (const event of training) if (event.type === "resumed") break;
      expect(resumed(await run({ epochs: 2, resume: true })).changes).to.deep.equal([]);
    });

    it("notices an edited config.json, because a checkpoint has its own copy", async () => {
      await run({ epochs: 1 });
      const path = scratch("run", "config.json");
      await writeFile(path, (await readFile(path, "utf8")).replace('"epochs": 1', '"epochs": 2'));
      const error = await failing({ epochs: 2, resume: true });
      expect(error.code).to.equal("RUN_MISMATCH");
      expect(error.message).to.include("last.safetensors").and.to.include("training.epochs: was 1, now 2");
      expect(resumed(await run({ epochs: 2, resume: true, override: true })).changes).to.deep.equal([{
        key: "training.epochs",
        was: 1,
        now: 2,
      }]);
    });

    it("reports another number of threads, which may change results bitwise", async () => {
      await run({ epochs: 1 });
      const events = await run({ epochs: 1, threads: 2, resume: true });
      expect(resumed(events)).to.deep.include({ changes: [], environment: [{ key: "threads", was: 1, now: 2 }] });
    });

    it("does not resume with changed teacher weights, unless overridden", async () => {
      const distill = async (teacherSeed: number, more: Partial<FitOptions>): Promise<Events> => {
        using teacher = await createModel("resnet8", { numClasses: 4, seed: teacherSeed });
        using student = await createModel("resnet8", { numClasses: 4, seed: 3 });
        using distiller = await createDistiller({ teacher, student, method: { kind: "kd" } });
        return (await drain(fit({ ...(await options(more)), model: undefined, distiller } as unknown as FitOptions)))
          .events;
      };
      await distill(1, { epochs: 1 });
      const error = await failureOf(distill(2, { epochs: 1, resume: true }));
      expect(error.code).to.equal("STATE_DICT_MISMATCH");
      expect(error.message).to.include("teacher");
      expect((await distill(2, { epochs: 1, resume: true, override: true })).at(-1)?.type).to.equal("end");
    });
  });

  it("is protected from a second run of the same process", async () => {
    const training = fit(await options());
    await training.next();
    for (const more of [{}, { resume: true }]) {
      const error = await failing(more);
      expect(error.code).to.equal("RUN_LOCKED");
      expect(error.message).to.include(`process ${process.pid}`);
    }
    await training.return(undefined as never);
    await run({ resume: true });
  });

  for (const [end, more] of [
    ["is done", {}],
    ["is stopped", { signal: AbortSignal.timeout(1) }],
    ["fails", { schedule: { kind: "multi-step", milestones: [0], factor: 1e30 } }],
  ] as const) {
    it(`releases the directory when it ${end}`, async () => {
      await run(more as Partial<FitOptions>).catch(() => undefined);
      expect(await readdir(scratch("run")).catch(() => [])).to.not.include("run.lock");
    });
  }

  describe("if a file cannot be written until the end", () => {
    /** Creates directories in place of checkpoints, which even root cannot overwrite. */
    const inTheWay = (event: FitEvent): void => {
      if (event.type !== "start") return;
      mkdirSync(scratch("run", "last.safetensors"));
      mkdirSync(scratch("run", "previous.safetensors", "full"), { recursive: true });
    };

    it("saves to the fallback directory, a complete run directory", async () => {
      await run({ runDirectory: scratch("calm") });
      const { events, result } = await drain(fit(await options({ fallbackDirectory: scratch("other") })), inTheWay);
      expect(ofType(events, "checkpoint-failed").map(({ kinds, epoch }) => [kinds, epoch])).to.deep.equal([[["last"],
        0], [["last"], 1]]);
      expect(result.runDirectory).to.equal(scratch("other"));
      const files = ["config.json", "metrics.jsonl", "last.safetensors", "student.safetensors"];
      // The best checkpoint of an earlier epoch stays in the first directory.
      expect(await readdir(scratch("other"))).to.have.members(
        result.best.epoch === 1 ? [...files, "best.safetensors"] : files,
      );
      expect(await bytes("other", "last.safetensors")).to.deep.equal(await bytes("calm", "last.safetensors"));
      const again = await run({ runDirectory: scratch("other"), resume: true });
      expect(again.map(({ type }) => type)).to.deep.equal(["start", "resumed", "end"]);
      expect((await readFile(scratch("other", "metrics.jsonl"), "utf8")).trimEnd().split("\n")).to.have.lengthOf(2);
    });

    it("writes it when the run is resumed, also if the run is done", async () => {
      await run({ runDirectory: scratch("calm"), epochs: 1 });
      const error = await failing({ epochs: 1 }, (event) => {
        if (event.type === "start") {
          for (const name of ["student", "best"]) mkdirSync(scratch("run", `${name}.safetensors`));
        }
      });
      expect(error.message).to.include("save best, student of the run");
      for (const name of ["student", "best"]) await rm(scratch("run", `${name}.safetensors`), { recursive: true });
      const events = await run({ epochs: 1, resume: true });
      expect(events.map((event) => (event.type === "checkpoint" ? event.kind : event.type))).to.deep.equal(["start",
        "resumed", "best", "student", "end"]);
      for (const name of ["student", "best"])
        expect(await bytes("run", `${name}.safetensors`)).to.deep.equal(await bytes("calm", `${name}.safetensors`));
    });

    it("fails with a code if there is no fallback directory, or it cannot be used", async () => {
      const error = await failing({}, inTheWay);
      expect(error.code).to.equal("SAVE_FAILED");
      expect(error.message).to.include(scratch("run")).and.to.include("after 2 epochs").and.to.include("model.save");
      await rm(scratch("run"), { recursive: true });
      await run({ runDirectory: scratch("other") });
      const both = await failing({ fallbackDirectory: scratch("other") }, inTheWay);
      expect(both.code).to.equal("SAVE_FAILED");
      expect(both.message).to.include("fallback directory").and.to.include("the directory holds a run");
    });

    it("lets a stopped training resume, unless the file is the checkpoint", async () => {
      const controller = new AbortController();
      const seen: FitEvent[] = [];
      const error = await failing({ signal: controller.signal, batchSize: 2 }, (event) => {
        seen.push(event);
        if (event.type === "start") mkdirSync(scratch("run", "student.safetensors"));
        if (event.type === "progress") controller.abort();
      });
      expect(error.code).to.equal("ABORTED");
      expect(seen.at(-1)).to.include({ type: "interrupted", checkpoint: scratch("run", "last.safetensors") });
      expect(ofType(seen, "checkpoint-failed")[0]?.kinds).to.deep.equal(["student"]);
    });

    it("reports the failure of a stopped training instead of a saved state", async () => {
      const controller = new AbortController();
      const seen: FitEvent[] = [];
      const error = await failing({ signal: controller.signal, batchSize: 2 }, (event) => {
        seen.push(event);
        inTheWay(event);
        if (event.type === "progress") controller.abort();
      });
      expect(error.code).to.equal("SAVE_FAILED");
      expect(seen.map(({ type }) => type)).to.include("checkpoint-failed").and.not.include("interrupted");
    });
  });

  it("saves a trained epoch before its evaluation if the interval has passed", async () => {
    await run({ runDirectory: scratch("calm") });
    const training = fit(await options({ checkpointMinutes: 1e-9 }));
    let trained = false;
    for await (const event of training) {
      if (event.type === "progress") trained = event.step === event.steps;
      if (trained && event.type === "checkpoint") break;
    }
    const events = await run({ resume: true });
    expect(ofType(events, "start")[0]).to.include({ startEpoch: 0, startStep: 4 });
    expect(ofType(events, "progress").filter(({ epoch }) => epoch === 0)).to.deep.equal([]);
    expect(await bytes("run", "last.safetensors")).to.deep.equal(await bytes("calm", "last.safetensors"));
  });

  it("rejects negative retry delays", async () => {
    expect((await failing({ retryDelaysMs: [-1] })).code).to.equal("INVALID_ARGUMENT");
  });
});
