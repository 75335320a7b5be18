import { readFileSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { expect } from "chai";
import { ClaimLost } from "../../../lib/api/abort.js";
import { type Dataset } from "../../../lib/api/dataset.js";
import { loadDataset } from "../../../lib/datasets/load-dataset.js";
import { createDistiller } from "../../../lib/api/distiller.js";
import { exportStudent } from "../../../lib/runs/export-student.js";
import { fit } from "../../../lib/runs/fit.js";
import type { FitOptions } from "../../../lib/fit/plan.js";
import { createModel, readWeightsInfo, type Model } from "../../../lib/api/model.js";
import { FitEvent } from "../../../lib/config/schemas/fit-event.js";
import { EpochRecord } from "../../../lib/config/schemas/run-record.js";
import { drain, failureOf, ofType, scratchDirectory, SMALL_DATA, SMALL_TRAINING } from "./small-run.js";

async function jsonLines(path: string): Promise<unknown[]> {
  const text = await readFile(path, "utf8");
  return text.split("\n").filter((line) => line !== "").map((line): unknown => JSON.parse(line));
}

async function expectSameWeights(actual: Model, expected: Model): Promise<void> {
  const actualState = await actual.stateDict();
  const expectedState = await expected.stateDict();
  expect(Object.keys(actualState)).to.deep.equal(Object.keys(expectedState));
  for (const [name, tensor] of Object.entries(expectedState)) {
    expect(actualState[name]!.toTypedArray(), name).to.deep.equal(tensor.toTypedArray());
  }
}

describe("fit", () => {
  let data: Dataset;
  const scratch = scratchDirectory();

  before(async () => {
    data = await loadDataset(SMALL_DATA);
  });
  after(() => {
    data.dispose();
  });

  const newModel = (): Promise<Model> => createModel("resnet8", { numClasses: 4, seed: 3 });
  const smallRun = async (
    options: Partial<FitOptions> = {},
  ): Promise<{ run: ReturnType<typeof fit>; model: Model }> => {
    const model = await newModel();
    return { model, run: fit({ model, data, ...SMALL_TRAINING, ...options } as FitOptions) };
  };

  it("yields start, progress, epochs and end, each valid by its schema", async () => {
    const { run } = await smallRun();
    const { events, result } = await drain(run);
    for (const event of events) FitEvent.parse(event);
    expect(events[0]).to.deep.include({ type: "start", task: "train", epochs: 2, stepsPerEpoch: 4, trainSamples: 64,
      testSamples: 32, startEpoch: 0, startStep: 0, trainingOnlyParameters: 0, runDirectory: null });
    expect(ofType(events, "epoch").map(({ epoch, train, test }) => [epoch, train.step, train.images, test.samples])).to
      .deep.equal([[0, 4, 64, 32], [1, 4, 64, 32]]);
    expect(events.at(-1)).to.deep.equal({ type: "end", ...result });
    expect(result.last).to.deep.equal(ofType(events, "epoch")[1]!.test);
    expect(result.best.top1).to.equal(Math.max(...ofType(events, "epoch").map(({ test }) => test.top1)));
  });

  it("never loses the last progress of an epoch", async () => {
    const { run } = await smallRun();
    const { events } = await drain(run);
    for (const epoch of [0, 1]) {
      const last = ofType(events, "progress").filter((event) => event.epoch === epoch).at(-1)!;
      expect(last.step).to.equal(last.steps);
    }
  });

  it("estimates the remaining time, zero after the last epoch", async () => {
    const { run } = await smallRun();
    const { events } = await drain(run);
    const [first, second] = ofType(events, "epoch");
    expect(first!.etaSeconds).to.be.above(0);
    expect(second!.etaSeconds).to.equal(0);
  });

  describe("with maxSteps", () => {
    it("ends after exactly so many steps, within an epoch, with its evaluation", async () => {
      const { run } = await smallRun({ epochs: undefined, maxSteps: 6, runDirectory: scratch("run") });
      const { events, result } = await drain(run);
      for (const event of events) FitEvent.parse(event);
      expect(ofType(events, "start")[0]).to.include({ epochs: 2, stepsPerEpoch: 4 });
      expect(
        ofType(events, "epoch").map((
          { epoch, epochs, train, test, etaSeconds },
        ) => [epoch, epochs, train.step, train.steps, train.images, test.samples, etaSeconds === 0]),
      ).to.deep.equal([[0, 2, 4, 4, 64, 32, false], [1, 2, 2, 2, 32, 32, true]]);
      const progress = ofType(events, "progress").map((
        { epoch, step, trainingStep, trainingSteps },
      ) => [trainingStep - 4 * epoch - step, trainingSteps]);
      expect(new Set(progress.map(String))).to.deep.equal(new Set(["0,6"]));
      expect(ofType(events, "progress").at(-1)).to.include({ step: 2, steps: 2, trainingStep: 6 });
      expect(result.epochs).to.equal(2);
      const { training } = JSON.parse(await readFile(scratch("run", "config.json"), "utf8")) as {
        training: Record<string, unknown>;
      };
      expect(training).to.include({ epochs: null, maxSteps: 6 });
    });

    it("ends with the epochs if they come first", async () => {
      const { run } = await smallRun({ maxSteps: 100 });
      const { events, result } = await drain(run);
      expect(ofType(events, "epoch").map(({ train }) => train.step)).to.deep.equal([4, 4]);
      expect(ofType(events, "progress").at(-1)).to.include({ trainingStep: 8, trainingSteps: 8 });
      expect(result.epochs).to.equal(2);
    });

    it("saves within its last epoch, and resumes to the same bytes", async () => {
      // 32 steps, then 20.
      const options = { epochs: undefined, maxSteps: 52, batchSize: 2, schedule: { kind: "cosine" } } as const;
      const calm = await smallRun({ ...options, runDirectory: scratch("calm") });
      await drain(calm.run);
      const controller = new AbortController();
      const stopped = await smallRun({ ...options, runDirectory: scratch("run"), signal: controller.signal });
      const error = await failureOf(drain(stopped.run, (event) => {
        if (event.type === "progress" && event.epoch === 1) controller.abort();
      }));
      expect(error.code).to.equal("ABORTED");
      const resumed = await smallRun({ ...options, runDirectory: scratch("run"), resume: true });
      const { events } = await drain(resumed.run);
      const start = ofType(events, "start")[0]!;
      expect(start).to.include({ startEpoch: 1, epochs: 2 });
      expect(start.startStep).to.be.within(1, 20);
      expect(ofType(events, "epoch").map(({ epoch, train }) => [epoch, train.step])).to.deep.equal([[1, 20]]);
      const student = (directory: string): Promise<Buffer> => readFile(scratch(directory, "student.safetensors"));
      expect((await student("run")).equals(await student("calm"))).to.equal(true);
    });

    it("continues to a larger number, or with other batches, unless it has cut an epoch", async () => {
      for (const [maxSteps, changes, epochs] of [
        [6, { maxSteps: 11 }, null],
        [4, { maxSteps: 7 }, [[1, 3]]],
        [8, { maxSteps: 20, batchSize: 8 }, [[2, 4]]],
      ] as const) {
        const run = scratch(`run-${maxSteps}`);
        const first = await smallRun({ epochs: undefined, maxSteps, runDirectory: run });
        await drain(first.run);
        const longer = await smallRun({ epochs: undefined, ...changes, runDirectory: run, resume: true,
          override: true });
        if (epochs === null) {
          const error = await failureOf(drain(longer.run));
          expect(error.code).to.equal("RUN_MISMATCH");
          expect(error.message).to.include(
            "its epoch 2 ended after 2 of 4 steps, by its maxSteps of 6. Start a new run",
          );
        } else {
          const { events } = await drain(longer.run);
          expect(ofType(events, "epoch").map(({ epoch, train }) => [epoch, train.step])).to.deep.equal(epochs);
        }
      }
    });
  });

  it("distills, with losses per stage and parameters that exist only in training", async () => {
    using teacher = await createModel("resnet14", { numClasses: 4, seed: 1 });
    using student = await newModel();
    using distiller = await createDistiller({ teacher, student, method: { kind: "review", warmupEpochs: 1 } });
    const { events } = await drain(fit({ distiller, data, ...SMALL_TRAINING }));
    const start = ofType(events, "start")[0]!;
    expect(start).to.include({ task: "distill", parameters: student.parameterCount(),
      trainingOnlyParameters: distiller.trainingOnlyParameterCount() });
    const epochs = ofType(events, "epoch").map(({ train }) => train.losses);
    expect(epochs.map(({ distillationWeight }) => distillationWeight)).to.deep.equal([0, 1]);
    expect(epochs[1]!.perStage).to.have.lengthOf(4);
    // A mean over images of float32 losses whose parts are rounded separately.
    expect(epochs[1]!.total).to.be.closeTo(epochs[1]!.crossEntropy + epochs[1]!.distillation, 1e-5);
  });

  it("fills the run directory", async () => {
    const { run, model } = await smallRun({ runDirectory: scratch("run") });
    const { events } = await drain(run);
    expect((await readdir(scratch("run"))).sort()).to.deep.equal(["best.safetensors", "config.json", "last.safetensors",
      "metrics.jsonl", "previous.safetensors", "student.safetensors"]);

    const records = (await jsonLines(scratch("run", "metrics.jsonl"))).map((line) => EpochRecord.parse(line));
    expect(records.map(({ epoch, test }) => [epoch, test])).to.deep.equal(
      ofType(events, "epoch").map(({ epoch, test }) => [epoch, test]),
    );

    const { metadata, tensors } = await readWeightsInfo(scratch("run", "student.safetensors"));
    const last = ofType(events, "epoch").at(-1)!;
    expect(metadata).to.deep.include({ model: "resnet8", numClasses: "4", dataset: "synthetic", epoch: "1",
      top1: String(last.test.top1) });
    expect(JSON.parse(metadata["classNames"]!)).to.deep.equal(data.classNames);
    expect(JSON.parse(metadata["normalization"]!)).to.deep.equal(data.normalization);
    expect(tensors.map(({ name }) => name)).to.have.members(Object.keys(await model.stateDict()));
  });

  it("writes a student to the run directory with the reported accuracy", async () => {
    const { run } = await smallRun({ runDirectory: scratch("run") });
    const { result } = await drain(run);
    using student = await createModel("resnet8", { numClasses: 4, weights: scratch("run", "student.safetensors") });
    expect(await student.evaluate(data.test)).to.deep.equal(result.last);
  });

  it("reports each saved file", async () => {
    const { run } = await smallRun({ epochs: 1, runDirectory: scratch("run") });
    const { events } = await drain(run);
    expect(ofType(events, "checkpoint")).to.deep.equal((["last", "best", "student"] as const).map((kind) => ({
      type: "checkpoint",
      kind,
      epoch: 0,
      path: scratch("run", `${kind}.safetensors`),
    })));
  });

  it("saves within an epoch when the signal is aborted, and resumes to the same bits", async () => {
    const calm = await smallRun({ batchSize: 2, runDirectory: scratch("calm") });
    await drain(calm.run);

    const controller = new AbortController();
    const stopped = await smallRun({ batchSize: 2, runDirectory: scratch("run"), signal: controller.signal });
    const seen: FitEvent[] = [];
    const error = await failureOf(drain(stopped.run, (event) => {
      seen.push(event);
      if (event.type === "progress") controller.abort();
    }));
    expect(error.code).to.equal("ABORTED");
    expect(error.message).to.contain("resume: true").and.to.contain(scratch("run"));
    const interrupted = seen.at(-1)!;
    if (interrupted.type !== "interrupted") throw new Error(`the last event is ${interrupted.type}`);
    expect(interrupted.checkpoint).to.equal(scratch("run", "last.safetensors"));
    expect(interrupted.step).to.be.within(1, 31);

    const resumed = await smallRun({ batchSize: 2, runDirectory: scratch("run"), resume: true });
    const { events } = await drain(resumed.run);
    expect(ofType(events, "start")[0]).to.include({ startEpoch: interrupted.epoch, startStep: interrupted.step });
    await expectSameWeights(resumed.model, calm.model);
    const losses = async (run: string): Promise<unknown[]> =>
      (await jsonLines(scratch(run, "metrics.jsonl")))
        .map((line) => EpochRecord.parse(line)).map(({ epoch, test, train, best }) => ({ epoch, test, best,
          losses: train.losses, top1: train.top1 })
        );
    expect(await losses("run")).to.deep.equal(await losses("calm"));
  });

  it("repeats an interrupted evaluation", async () => {
    const calm = await smallRun({ runDirectory: scratch("calm") });
    await drain(calm.run);
    const controller = new AbortController();
    const stopped = await smallRun({ runDirectory: scratch("run"), signal: controller.signal });
    const error = await failureOf(drain(stopped.run, (event) => {
      if (event.type === "progress" && event.step === event.steps) controller.abort();
    }));
    expect(error.message).to.contain("stopped in epoch 1 after step 4");

    const resumed = await smallRun({ runDirectory: scratch("run"), resume: true });
    const { events } = await drain(resumed.run);
    expect(ofType(events, "start")[0]).to.include({ startEpoch: 0, startStep: 4 });
    expect(ofType(events, "progress").filter(({ epoch }) => epoch === 0)).to.deep.equal([]);
    expect(ofType(events, "epoch").map(({ epoch, train }) => [epoch, train.step])).to.deep.equal([[0, 4], [1, 4]]);
    await expectSameWeights(resumed.model, calm.model);
  });

  for (const isTakenOver of [true, false]) {
    it(`saves ${isTakenOver ? "nothing" : "its state"} once another process may have its work, ${isTakenOver ? "which has taken it over" : "which has not"}`, async () => {
      const controller = new AbortController();
      const { run } = await smallRun({ runDirectory: scratch("run"), signal: controller.signal });
      let saved: Buffer | undefined;
      const error = await failureOf(drain(run, (event) => {
        if (event.type !== "checkpoint" || saved !== undefined) return;
        saved = readFileSync(scratch("run", "last.safetensors"));
        if (isTakenOver) writeFileSync(scratch("run", "run.lock"), "of another machine");
        controller.abort(new ClaimLost());
      }));
      expect(error.code).to.equal("ABORTED");
      expect(readFileSync(scratch("run", "last.safetensors")).equals(saved!)).to.equal(isTakenOver);
    });
  }

  it("resumes between two epochs if the signal was aborted at the end of one", async () => {
    const controller = new AbortController();
    const stopped = await smallRun({ runDirectory: scratch("run"), signal: controller.signal });
    await failureOf(drain(stopped.run, (event) => {
      if (event.type === "epoch") controller.abort();
    }));
    const resumed = await smallRun({ runDirectory: scratch("run"), resume: true });
    const { events } = await drain(resumed.run);
    expect(ofType(events, "start")[0]).to.include({ startEpoch: 1, startStep: 0 });
    expect(ofType(events, "epoch").map(({ epoch }) => epoch)).to.deep.equal([1]);
    expect(await jsonLines(scratch("run", "metrics.jsonl"))).to.have.lengthOf(2);
  });

  it("ends immediately for a finished run", async () => {
    const first = await smallRun({ runDirectory: scratch("run") });
    const { result } = await drain(first.run);
    const again = await smallRun({ runDirectory: scratch("run"), resume: true });
    const { events, result: same } = await drain(again.run);
    expect(events.map(({ type }) => type)).to.deep.equal(["start", "resumed", "end"]);
    expect(same).to.deep.equal(result);
  });

  it("does nothing if the signal is already aborted", async () => {
    const { run } = await smallRun({ runDirectory: scratch("run"), signal: AbortSignal.abort() });
    expect((await failureOf(drain(run))).code).to.equal("ABORTED");
    expect(await readdir(scratch())).to.deep.equal([]);
  });

  it("stops the epoch when the consumer leaves the loop, so that the model can be used", async () => {
    const { run, model } = await smallRun({ epochs: 1000 });
    const seen: string[] = [];
    for await (const event of run) {
      seen.push(event.type);
      if (event.type === "progress") break;
    }
    expect(seen.at(-1)).to.equal("progress");
    expect((await model.evaluate(data.test)).samples).to.equal(32);
    expect(await run.next()).to.deep.equal({ done: true, value: undefined });
  });

  it("keeps the last good checkpoint when the loss is not finite", async () => {
    // From the second epoch on, the learning rate makes any network exceed the range of float32.
    const { run } = await smallRun({ runDirectory: scratch("run"),
      schedule: { kind: "multi-step", milestones: [0], factor: 1e30 } });
    const error = await failureOf(drain(run));
    expect(error.code).to.equal("NON_FINITE_LOSS");
    expect(error.message).to.match(/^epoch 2: invalid loss/).and.to.contain(
      `The last good checkpoint is ${scratch("run", "last.safetensors")}, after epoch 1.`,
    );
    const { metadata } = await readWeightsInfo(scratch("run", "last.safetensors"));
    expect(metadata).to.have.property("fit");
  });

  describe("after an epoch whose test loss is not finite", () => {
    /** Four steps leave weights so large that the loss on test images exceeds the range of float32. */
    const diverged = { epochs: 1, optimizer: { kind: "sgd", learningRate: 1e4 } } as const;

    it("records it as null, resumes, and keeps its line of metrics", async () => {
      const { run } = await smallRun({ ...diverged, runDirectory: scratch("run") });
      const { events, result } = await drain(run);
      for (const event of events) FitEvent.parse(event);
      expect(result.last.loss).to.satisfy((loss: number) => !Number.isFinite(loss));
      const [first] = await jsonLines(scratch("run", "metrics.jsonl"));
      expect(first).to.have.nested.property("test.loss", null);
      const controller = new AbortController();
      const resumed = await smallRun({ ...diverged, epochs: 2, runDirectory: scratch("run"), resume: true,
        override: true, signal: controller.signal });
      const seen: FitEvent[] = [];
      // A step with these weights may fail.
      const error = await failureOf(drain(resumed.run, (event) => {
        seen.push(event);
        controller.abort();
      }));
      expect(error.code).to.equal("ABORTED");
      expect(ofType(seen, "start")[0]).to.include({ startEpoch: 1, startStep: 0 });
      expect(await jsonLines(scratch("run", "metrics.jsonl"))).to.deep.equal([first]);
    });

    it("ends immediately when it is resumed though finished, with NaN in its result", async () => {
      const { run } = await smallRun({ ...diverged, runDirectory: scratch("run") });
      const { result } = await drain(run);
      const again = await smallRun({ ...diverged, runDirectory: scratch("run"), resume: true });
      const { result: repeated } = await drain(again.run);
      expect(repeated.last).to.deep.equal({ ...result.last, loss: Number.NaN });
      expect(repeated.best).to.deep.equal(result.best);
    });

    it("exports its student", async () => {
      const { run } = await smallRun({ ...diverged, runDirectory: scratch("run") });
      const { result } = await drain(run);
      const path = await exportStudent(scratch("run"));
      expect((await readWeightsInfo(path)).metadata).to.include({ model: "resnet8", top1: String(result.last.top1) });
    });
  });

  it("takes omitted options from a preset", async () => {
    const { run } = await smallRun({ preset: "cifar100-short", epochs: 1, schedule: undefined as never,
      runDirectory: scratch("run") });
    await drain(run);
    const config = JSON.parse(await readFile(scratch("run", "config.json"), "utf8")) as {
      training: Record<string, unknown>;
      preset: string;
    };
    expect(config.preset).to.equal("cifar100-short");
    expect(config.training).to.deep.include({ epochs: 1, batchSize: 16,
      schedule: { kind: "cosine", finalScale: 0, warmupEpochs: 1 } });
  });

  it("scales a preset to its batch size if asked to, but not its own options", async () => {
    const training = async (directory: string, options: Partial<FitOptions>): Promise<Record<string, unknown>> => {
      const { run } = await smallRun({ preset: "cifar100-short", epochs: 1, schedule: undefined as never, ...options,
        runDirectory: scratch(directory) });
      await drain(run);
      return JSON.parse(await readFile(scratch(directory, "config.json"), "utf8")) as Record<string, unknown>;
    };
    const scaled = await training("scaled", { linearScaling: true });
    expect(scaled).to.include({ preset: "cifar100-short", linearScaling: true });
    // Batches of 16 instead of 128.
    expect(scaled["training"]).to.deep.include({ batchSize: 16,
      optimizer: { kind: "sgd", learningRate: 0.1 / 8, momentum: 0.9, nesterov: true, weightDecay: 5e-4,
        groups: [] } });
    const unasked = await training("unasked", {});
    expect(unasked).to.not.have.property("linearScaling");
    expect(unasked["training"]).to.deep.nested.include({ "optimizer.learningRate": 0.1 });
    const own = await training("own", { linearScaling: true, optimizer: { kind: "sgd", learningRate: 0.03 } });
    expect(own["training"]).to.deep.nested.include({ "optimizer.learningRate": 0.03 });
  });

  for (const [problem, options, code, text] of [
    ["linearScaling without a preset", { linearScaling: true }, "INVALID_ARGUMENT",
      "invalid linearScaling in fit options: expected a preset"],
    ["linearScaling that is no boolean", { linearScaling: "yes", preset: "cifar100" }, "INVALID_ARGUMENT",
      "expected true or false"],
    ["neither epochs nor maxSteps", { epochs: null }, "INVALID_ARGUMENT", "unless maxSteps is given, received null"],
    ["an unknown option", { learningrate: 1 }, "INVALID_ARGUMENT", 'received "learningrate"'],
    ["NaN", { epochs: NaN }, "INVALID_ARGUMENT", "received NaN"],
    ["an unknown preset", { preset: "cifar10" }, "UNKNOWN_NAME", 'did you mean "cifar100"?'],
    ["resume without a run directory", { resume: true }, "INVALID_ARGUMENT", "requires a runDirectory"],
  ] as const) {
    it(`rejects ${problem}`, async () => {
      const { run } = await smallRun(options as unknown as Partial<FitOptions>);
      const error = await failureOf(drain(run));
      expect(error.code).to.equal(code);
      expect(error.message).to.contain(text);
    });
  }

  it("rejects both a model and a distiller, and neither", async () => {
    expect((await failureOf(drain(fit({ data } as unknown as FitOptions)))).message).to.contain(
      "received both or neither",
    );
  });

  it("refuses to resume with other settings", async () => {
    const { run } = await smallRun({ epochs: 1, runDirectory: scratch("run") });
    await drain(run);
    const other = await smallRun({ epochs: 1, batchSize: 32, runDirectory: scratch("run"), resume: true });
    const error = await failureOf(drain(other.run));
    expect(error.code).to.equal("RUN_MISMATCH");
    expect(error.message).to.contain("training.batchSize: was 16, now 32");
  });
});
