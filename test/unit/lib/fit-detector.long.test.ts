import { mkdirSync, rmSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { expect } from "chai";
import { createDetector, createDistiller, createSession, type Dataset, type Detector, exportStudent, fit, loadDataset,
  namedValue } from "../../../lib/index.js";
import type { FitOptions } from "../../../lib/fit/plan.js";
import { FitEvent } from "../../../lib/config/schemas/fit-event.js";
import { readWeightsInfo } from "../../../lib/api/model.js";
import { drain, failureOf, ofType, scratchDirectory } from "./small-run.js";

const SCENES = { kind: "scenes", numClasses: 2, trainSamples: 8, testSamples: 4, imageSize: 64 } as const;
const TRAINING = { epochs: 2, batchSize: 2, evaluationBatchSize: 2, seed: 3, threads: 1,
  optimizer: { kind: "sgd", learningRate: 0.01, nesterov: false, normWeightDecay: 0 },
  schedule: { kind: "constant" } } as const;
const LOSSES = {
  "retinanet-resnet18-fpn": ["classification", "bboxRegression"],
  "faster-rcnn-resnet18-fpn": ["objectness", "rpnBoxReg", "classifier", "boxReg"],
} as const;
type Name = keyof typeof LOSSES;

describe("fit with a detector", () => {
  let data: Dataset;
  const scratch = scratchDirectory();

  before(async () => {
    data = await loadDataset(SCENES);
  });
  after(() => {
    data.dispose();
  });

  const create = async (name: Name = "retinanet-resnet18-fpn"): Promise<Detector> =>
    createDetector(name, { numClasses: 3, seed: 1, detection: { minSize: 64, maxSize: 64 } });
  const run = async (options: Partial<FitOptions> = {}, name?: Name, onEvent?: (event: FitEvent) => void) => {
    using model = await create(name);
    return await drain(fit({ model, data, ...TRAINING, ...options } as FitOptions), onEvent);
  };

  for (const name of ["retinanet-resnet18-fpn", "faster-rcnn-resnet18-fpn"] as const) {
    it(`reports every loss and metric of ${name}, and keeps the epoch of the best precision`, async () => {
      const { events, result } = await run({ runDirectory: scratch("run") }, name);
      for (const event of events) FitEvent.parse(event);
      using detector = await create(name);
      const { losses, metrics, primaryMetric } = detector.task;
      expect(losses.map((loss) => loss.name)).to.have.members(LOSSES[name]);
      expect(primaryMetric).to.equal("ap");
      const epochs = ofType(events, "epoch");
      for (const { train, test } of epochs) {
        const values = losses.map((loss) => namedValue(train.losses, loss.name));
        // float32
        expect(train.losses.total).to.be.closeTo(values.reduce((sum, value) => sum + value, 0), 1e-4);
        expect([train.step, train.images, test.samples]).to.deep.equal([4, 8, 4]);
        for (const metric of metrics) expect(namedValue(test, metric.name), metric.name).to.be.within(-1, 1);
      }
      expect(namedValue(result.best, "ap")).to.equal(Math.max(...epochs.map(({ test }) => namedValue(test, "ap"))));
      expect((await readdir(scratch("run"))).sort()).to.deep.equal(["best.safetensors", "config.json",
        "last.safetensors", "metrics.jsonl", "previous.safetensors", "student.safetensors"]);
      const { metadata } = await readWeightsInfo(scratch("run", "student.safetensors"));
      expect(metadata).to.deep.include({ model: name, numClasses: "3", dataset: "scenes", epoch: "1" });
      // Checkpoints are weights files as well: with the same switches, names and ids.
      const exported = await exportStudent(scratch("run"), scratch("exported.safetensors"));
      for (const file of [exported, ...["student", "last", "best"].map((kind) =>
        scratch("run", `${kind}.safetensors`)
      )]) {
        using loaded = await createDetector(name, { weights: file });
        expect(loaded.detection, file).to.deep.equal(detector.detection);
        expect([loaded.classNames, loaded.categoryIds], file).to.deep.equal([data.classNames, data.categoryIds]);
      }
    });
  }

  it("is named after the data that it is created for, whatever its weights were trained on", async () => {
    const path = scratch("others.safetensors");
    using origin = await create();
    await origin.save(path, { classNames: ["a", "b", "c"], categoryIds: [7, 8, 9] });
    using own = await createDetector("retinanet-resnet18-fpn", { weights: path });
    expect([own.labelNames, own.labelCategoryIds]).to.deep.equal([["a", "b", "c"], [7, 8, 9]]);
    using adapted = await createDetector("retinanet-resnet18-fpn", { weights: path, strict: false, data });
    expect([adapted.numClasses, adapted.classNames, adapted.categoryIds]).to.deep.equal([2, data.classNames, [1, 2]]);
    using two = await createDetector("faster-rcnn-resnet18-fpn", { data });
    expect([two.labelNames, two.labelCategoryIds]).to.deep.equal([[null, ...data.classNames], [null, 1, 2]]);
    await origin.save(path, { classNames: ["d", "e", "f"], categoryIds: [1, 2, 3] });
    await own.load(path);
    expect(own.classNames).to.deep.equal(["d", "e", "f"]);
  });

  it("resumes an epoch that was stopped to the same bytes as an undisturbed training", async () => {
    const student = async (directory: string) => readFile(scratch(directory, "student.safetensors"));
    await run({ runDirectory: scratch("calm") });
    const controller = new AbortController();
    const failure = await failureOf(
      run({ runDirectory: scratch("run"), signal: controller.signal }, undefined, (event) => {
        if (event.type === "progress" && event.epoch === 1 && event.step >= 1) controller.abort();
      }),
    );
    expect(failure.code).to.equal("ABORTED");
    const { events } = await run({ runDirectory: scratch("run"), resume: true });
    const start = ofType(events, "start")[0]!;
    expect([start.startEpoch, start.startStep]).to.not.deep.equal([0, 0]);
    expect((await student("run")).equals(await student("calm"))).to.equal(true);
  });

  it("ends after a number of steps within an epoch, and resumes there to the same bytes", async () => {
    // Eight steps, then five of eight.
    const options = { epochs: undefined, maxSteps: 13, batchSize: 1 };
    const student = async (directory: string) => readFile(scratch(directory, "student.safetensors"));
    const { events: all } = await run({ ...options, runDirectory: scratch("calm") });
    expect(ofType(all, "epoch").map(({ train, test }) => [train.step, train.images, test.samples])).to.deep.equal([[8,
      8, 4], [5, 5, 4]]);
    const controller = new AbortController();
    await failureOf(run({ ...options, runDirectory: scratch("run"), signal: controller.signal }, undefined, (event) => {
      if (event.type === "progress" && event.epoch === 1 && event.step >= 1) controller.abort();
    }));
    await run({ ...options, runDirectory: scratch("run"), resume: true });
    expect((await student("run")).equals(await student("calm"))).to.equal(true);
  });

  /** A detector with values of its own, which count as trained. */
  const trained = async (name?: Name): Promise<Detector> => {
    const detector = await create(name);
    await detector.loadStateDict(await detector.stateDict());
    return detector;
  };

  it("evaluates the teacher, and distills from its pyramid", async () => {
    using teacher = await trained();
    using student = await create();
    using distiller = await createDistiller({ teacher, student, method: { kind: "review" } });
    const { events } = await drain(fit({ distiller, data, ...TRAINING, epochs: 1, runDirectory: scratch("run") }));
    const { losses } = ofType(events, "epoch")[0]!.train;
    expect(losses.perStage).to.have.length(5);
    expect([losses.distillation > 0, losses.distillationWeight]).to.deep.equal([true, 1]);
    const types = events.map(({ type }) => type);
    expect(types.indexOf("teacher")).to.be.within(1, types.indexOf("epoch") - 1);
    const [{ name, taskInfo, test, reason }] = ofType(events, "teacher") as [Extract<FitEvent, { type: "teacher" }>];
    expect([name, taskInfo, reason]).to.deep.equal([teacher.name, teacher.task, null]);
    expect(test).to.deep.equal(await teacher.evaluate(data.test, { batchSize: 2 }));
    const [{ testSamples }] = ofType(events, "teacher-progress") as [Extract<FitEvent, { type: "teacher-progress" }>];
    expect(testSamples).to.equal(4);
    expect(JSON.parse(await readFile(scratch("run", "teacher.json"), "utf8"))).to.deep.equal({ name, taskInfo, test,
      reason });
  });

  it("does not evaluate the teacher on request, nor again when it resumes", async () => {
    using teacher = await trained();
    const distill = async (options: Partial<FitOptions>) => {
      using student = await create();
      using distiller = await createDistiller({ teacher, student });
      return (await drain(fit({ distiller, data, ...TRAINING, ...options } as FitOptions))).events;
    };
    const skipped = await distill({ epochs: 1, evaluateTeacher: false });
    expect(ofType(skipped, "teacher")).to.deep.equal([]);
    const controller = new AbortController();
    await failureOf((async () => {
      using student = await create();
      using distiller = await createDistiller({ teacher, student });
      await drain(fit({ distiller, data, ...TRAINING, runDirectory: scratch("run"), signal: controller.signal }),
        (event) => {
          if (event.type === "progress" && event.step >= 1) controller.abort();
        });
    })());
    const resumed = await distill({ runDirectory: scratch("run"), resume: true });
    expect(ofType(resumed, "teacher")).to.deep.equal([]);
    expect(ofType(resumed, "epoch").at(-1)!.epoch).to.equal(1);
  });

  it("stops while the teacher is evaluated, which the resumed run makes up for", async () => {
    using teacher = await trained();
    const begin = async (options: Partial<FitOptions>, onEvent?: (event: FitEvent) => void) => {
      using student = await create();
      using distiller = await createDistiller({ teacher, student });
      return await drain(
        fit({ distiller, data, ...TRAINING, epochs: 1, runDirectory: scratch("run"), ...options } as FitOptions),
        onEvent,
      );
    };
    const controller = new AbortController();
    let evaluated = 0;
    const error = await failureOf(begin({ signal: controller.signal }, (event) => {
      if (event.type === "teacher-progress") controller.abort();
      // If the evaluation was over by then.
      if (event.type === "teacher") ++evaluated;
    }));
    expect(error).to.have.property("code", "ABORTED");
    const { events } = await begin({ resume: true });
    expect(ofType(events, "teacher")).to.have.length(1 - evaluated);
    expect(ofType(events, "epoch")).to.have.length(1);
    expect((await readdir(scratch("run"))).includes("teacher.json")).to.equal(true);
  });

  it("trains although the teacher's results cannot be written, and writes them later", async () => {
    using teacher = await trained();
    using student = await create();
    using distiller = await createDistiller({ teacher, student });
    const { events } = await drain(fit({ distiller, data, ...TRAINING, epochs: 1, runDirectory: scratch("run") }),
      (event) => {
        // A directory in its place.
        if (event.type === "teacher-progress") mkdirSync(scratch("run", "teacher.json"), { recursive: true });
        if (event.type === "checkpoint-failed") rmSync(scratch("run", "teacher.json"), { recursive: true });
      });
    expect(ofType(events, "checkpoint-failed")[0]).to.deep.include({ kinds: ["teacher"], code: "RUN_DIRECTORY" });
    expect(JSON.parse(await readFile(scratch("run", "teacher.json"), "utf8"))).to.have.property("name", teacher.name);
  });

  it("takes no value but true and false for evaluateTeacher", async () => {
    using teacher = await trained();
    using student = await create();
    using distiller = await createDistiller({ teacher, student });
    const options = { distiller, data, ...TRAINING, evaluateTeacher: "no" } as unknown as FitOptions;
    expect(await failureOf(drain(fit(options)))).to.have.property("code", "INVALID_ARGUMENT");
  });

  it("says why a teacher cannot be evaluated, and distills all the same", async () => {
    using teacher = await createDetector("retinanet-resnet18-fpn", { numClasses: 7, detection: { minSize: null } });
    await teacher.loadStateDict(await teacher.stateDict());
    using student = await create();
    using distiller = await createDistiller({ teacher, student });
    const { events } = await drain(fit({ distiller, data, ...TRAINING, epochs: 1 }));
    const [{ test, reason }] = ofType(events, "teacher") as [Extract<FitEvent, { type: "teacher" }>];
    expect(test).to.equal(null);
    expect(reason).to.match(/^invalid detector for the data set scenes: expected 2 classes, received 7\./);
    expect(ofType(events, "epoch")).to.have.length(1);
  });

  it("refuses a teacher as initialised, and a student of which random parts are frozen", async () => {
    using teacher = await create();
    using student = await create();
    using distiller = await createDistiller({ teacher, student });
    const attempt = (parts: typeof distiller) => failureOf(drain(fit({ distiller: parts, data, ...TRAINING })));
    expect(String(await attempt(distiller))).to.include(
      "invalid teacher retinanet-resnet18-fpn: expected trained weights, received its initial random values.",
    );
    await teacher.loadStateDict(await teacher.stateDict());
    expect([teacher.untrained, student.untrained]).to.deep.equal([false, true]);
    for (const detection of [{ norm: "frozen" }, { trainableLayers: 3 }] as const) {
      using frozen = await createDetector("retinanet-resnet18-fpn", { numClasses: 3, detection });
      using vain = await createDistiller({ teacher, student: frozen });
      expect(String(await attempt(vain))).to.include(
        "expected weights for its frozen parts, received initial random values",
      );
    }
  });

  it("evaluates in the order of the images, to the same numbers", async () => {
    using detector = await create();
    const first = await detector.evaluate(data.test, { batchSize: 2, perClass: true });
    expect(await detector.evaluate(data.test, { batchSize: 2, perClass: true })).to.deep.equal(first);
    expect(first.perClass!.map(({ name }) => name)).to.deep.equal(["circle", "square"]);
  });

  it("draws flips and sizes from seed and epoch", async () => {
    const lossOf = async (source: object, seed: number, epoch: number) => {
      using model = await create();
      using drawn = await loadDataset({ ...SCENES, ...source });
      using session = await createSession({ model, threads: 1, optimizer: TRAINING.optimizer });
      return (await session.trainEpoch(drawn, { epoch, epochs: 9, seed, batchSize: 8 })).losses.total;
    };
    const plain = await lossOf({ flip: false }, 1, 0);
    // One batch of all images: the loss of its first step does not depend on the order, but for rounding.
    const rounding = 1e-4 * plain;
    expect(await lossOf({ flip: false }, 2, 0)).to.be.closeTo(plain, rounding);
    const [flipped, sized] = [await lossOf({}, 1, 0), await lossOf({ flip: false, trainSizes: [32, 48] }, 1, 0)];
    for (const loss of [flipped, sized]) expect(Math.abs(loss - plain)).to.be.above(rounding);
    expect(await lossOf({}, 1, 0)).to.equal(flipped);
    expect(Math.abs(await lossOf({}, 2, 0) - flipped)).to.be.above(rounding);
  });

  it("refuses data of classes that the detector does not have, and data of a classifier", async () => {
    using small = await createDetector("faster-rcnn-resnet18-fpn", { numClasses: 2 }); // one and the background
    const { code, message } = await failureOf(drain(fit({ model: small, data, ...TRAINING })));
    expect(code).to.equal("SHAPE_MISMATCH");
    expect(message).to.include("create it with numClasses: 3");
    using labelled = await loadDataset({ kind: "synthetic", trainSamples: 8, testSamples: 4 });
    using detector = await create();
    expect((await failureOf(drain(fit({ model: detector, data: labelled, ...TRAINING })))).code).to.equal(
      "INVALID_ARGUMENT",
    );
  });
});
