import { expect } from "chai";
import { parseRunConfig } from "../../../lib/config/config-file.js";
import { scaledTraining } from "../../../lib/config/preset-settings.js";
import { findPreset } from "../../../lib/config/presets/index.js";
import type { RunConfig } from "../../../lib/config/schemas/run-config.js";
import { ReviewKdError } from "../../../lib/errors.js";
import { parseStudyConfig } from "../../../lib/study/plan/study-config.js";

type Distillation = Extract<RunConfig, { task: "distill" }>;

const FILES = { teacher: { weights: "t.pkl" }, student: { backboneWeights: "b.pth" }, data: { root: "coco" } };

function distillation(preset: string, settings: object = {}): Distillation {
  return parseRunConfig({ task: "distill", preset, ...FILES, ...settings }) as Distillation;
}

function failure(settings: object): ReviewKdError {
  try {
    parseRunConfig(settings as Parameters<typeof parseRunConfig>[0]);
  } catch (error) {
    if (error instanceof ReviewKdError) return error;
    throw error;
  }
  throw new Error("the configuration was accepted");
}

describe("the settings of a detector's preset", () => {
  it("are those of networks, data, method and training", () => {
    const config = distillation("faster-rcnn-resnet101-resnet18");
    expect(config.teacher).to.deep.equal({ name: "faster-rcnn-resnet101-fpn", weights: "t.pkl",
      detection: { reverseImageStats: true } });
    expect(config.student).to.deep.equal({ name: "faster-rcnn-resnet18-fpn", flavor: "detectron2",
      backboneWeights: "b.pth", detection: { reverseImageStats: true } });
    expect(config.data).to.deep.include({ kind: "coco", root: "coco", trainSizes: [640, 672, 704, 736, 768, 800] });
    expect(config.method).to.deep.include({ kind: "review", weight: 1.2, warmupEpochs: 0 });
    expect(config.training).to.deep.include({ ...findPreset("faster-rcnn-resnet101-resnet18").training,
      evaluationBatchSize: 8 });
    expect(config.training).to.include({ epochs: null, maxSteps: 180_000, batchSize: 8 });
  });

  it("leave out all quirks if asked to, and nothing else", () => {
    const without = (preset: string): Distillation => distillation(preset, { publishedQuirks: false });
    const resnet18 = without("mask-rcnn-resnet101-resnet18");
    expect(resnet18.publishedQuirks).to.equal(false);
    expect([resnet18.student.detection, resnet18.teacher.detection]).to.deep.equal([{}, {}]);
    expect(without("faster-rcnn-resnet50-mobilenetv2").student.detection).to.deep.equal({ trainableLayers: 5 });
    const { student, ...others } = without("retinanet-resnet101-resnet50");
    expect(student).to.deep.include({ flavor: "detectron2", detection: { boxLoss: "smoothL1" } });
    const { publishedQuirks, ...same } = others;
    const { student: kept, ...published } = distillation("retinanet-resnet101-resnet50");
    expect(publishedQuirks).to.equal(false);
    expect(same).to.deep.equal(published);
    expect(kept.detection).to.deep.equal({ boxLoss: "smoothL1", boxLossBeta: 0.1 });
  });

  it("belong to its own networks: those of another name have none of its switches", () => {
    const other = distillation("faster-rcnn-resnet101-resnet18", {
      teacher: { name: "faster-rcnn-resnet50-fpn", weights: "t.pkl" },
      student: { name: "faster-rcnn-mobilenetv2-fpn" },
    });
    expect(other.teacher).to.deep.equal({ name: "faster-rcnn-resnet50-fpn", weights: "t.pkl" });
    expect(other.student).to.deep.equal({ name: "faster-rcnn-mobilenetv2-fpn" });
    expect(other.training.maxSteps).to.equal(180_000);
  });

  it("are the same for the student alone", () => {
    const alone = (name: string): unknown => {
      const config = parseRunConfig({ task: "train", preset: "faster-rcnn-resnet101-resnet18", model: { name },
        data: { root: "coco" } });
      return config.task === "train" ? config.model : undefined;
    };
    expect(alone("faster-rcnn-resnet18-fpn")).to.deep.equal({ name: "faster-rcnn-resnet18-fpn", flavor: "detectron2",
      detection: { reverseImageStats: true } });
    expect(alone("faster-rcnn-resnet101-fpn")).to.deep.equal({ name: "faster-rcnn-resnet101-fpn" });
  });

  it("are overridden one by one", () => {
    const config = distillation("faster-rcnn-resnet50-mobilenetv2", {
      student: { backboneWeights: "b.pth", detection: { channelOrder: "rgb" } },
      training: { epochs: 3 },
    });
    expect(config.student.detection).to.include({ channelOrder: "rgb", pixelScale: 255, trainableLayers: 5 });
    expect(config.training).to.include({ epochs: 3, maxSteps: 180_000 });
    expect(
      distillation("coco", { teacher: { name: "t", weights: "t.pkl" }, student: { name: "s" },
        training: { maxSteps: 90 } }).training,
    ).to.include({ epochs: null, maxSteps: 90 });
    // A number of steps replaces the epochs of a preset, too.
    expect(
      parseRunConfig({ task: "train", preset: "cifar100", model: { name: "resnet8" }, data: { root: "c" },
        training: { maxSteps: 90 } }).training,
    ).to.include({ epochs: null, maxSteps: 90 });
  });

  it("are accepted unchanged where they were recorded", () => {
    for (const options of [{}, { publishedQuirks: false }, { linearScaling: true, training: { batchSize: 2 } }]) {
      const once = distillation("faster-rcnn-resnet101-resnet18", options);
      expect(parseRunConfig(JSON.parse(JSON.stringify(once)) as typeof once)).to.deep.equal(once);
    }
  });

  it("require a preset that has quirks to leave them out", () => {
    for (const [preset, text] of [["faster-rcnn-resnet101-resnet50", '"faster-rcnn-resnet101-resnet50"'], [undefined,
      "no preset"]]) {
      const { code, message } = failure({ task: "distill", preset, publishedQuirks: false });
      expect(code).to.equal("CONFIG_INVALID");
      expect(message).to.match(/^invalid publishedQuirks in the run configuration: expected a preset that keeps quirks/)
        .and.include(`received ${text}.`);
    }
  });

  it("say when the training ends", () => {
    const { code, message } = failure({ task: "train", model: { name: "resnet8" }, training: { epochs: null } });
    expect(code).to.equal("CONFIG_INVALID");
    expect(message).to.equal(
      "invalid training.epochs in the run configuration: expected a whole number ≥ 1 unless maxSteps is given, received null.",
    );
  });
});

describe("the linear scaling rule", () => {
  const scaled = (batchSize: number, training: object = {}): Distillation["training"] =>
    distillation("faster-rcnn-resnet101-resnet50", { linearScaling: true, training: { batchSize, ...training } })
      .training;

  it("scales the rate with the batch and all steps against it", () => {
    for (const [batchSize, learningRate, maxSteps, milestoneSteps, warmupSteps] of [
      [8, 0.01, 180_000, [120_000, 160_000], 1000],
      [16, 0.02, 90_000, [60_000, 80_000], 500],
      [2, 0.0025, 720_000, [480_000, 640_000], 4000],
      [3, 0.00375, 480_000, [320_000, 426_667], 2667],
    ] as const) {
      const { optimizer, schedule, ...training } = scaled(batchSize);
      expect(optimizer.learningRate).to.be.closeTo(learningRate, 1e-12);
      expect(training).to.include({ epochs: null, maxSteps, batchSize });
      expect(schedule).to.deep.include({ milestoneSteps, warmupSteps, warmupFactor: 0.001, factor: 0.1 });
    }
  });

  it("counts the images of an optimizer step", () => {
    expect(scaled(4, { accumulateBatches: 2 })).to.deep.include({ maxSteps: 180_000, batchSize: 4 });
    expect(scaled(8, { accumulateBatches: 2 }).maxSteps).to.equal(90_000);
  });

  it("leaves what is given as it is", () => {
    const { optimizer, schedule, maxSteps } = scaled(16, { maxSteps: 7, optimizer: { learningRate: 0.3 },
      schedule: { warmupSteps: 5 } });
    expect([maxSteps, optimizer.learningRate]).to.deep.equal([7, 0.3]);
    expect(schedule).to.deep.include({ warmupSteps: 5, milestoneSteps: [60_000, 80_000] });
  });

  it("is not applied unasked", () => {
    expect(distillation("faster-rcnn-resnet101-resnet50", { training: { batchSize: 16 } }).training).to.deep.include({
      batchSize: 16,
      maxSteps: 180_000,
      optimizer: findPreset("coco").training.optimizer,
    });
  });

  it("scales only the rate of a training by epochs", () => {
    const { training } = findPreset("cifar100");
    expect(scaledTraining(training, { batchSize: 256 })).to.deep.equal({ ...training,
      optimizer: { ...training.optimizer, learningRate: 0.2 } });
  });

  it("applies to studies", () => {
    const study = parseStudyConfig({ kind: "seeds", preset: "resnet56-resnet20", linearScaling: true,
      data: { kind: "cifar100", root: "c" }, training: { batchSize: 64 } });
    expect(study.training.optimizer.learningRate).to.equal(0.05);
    expect(study.linearScaling).to.equal(true);
  });

  it("requires a preset", () => {
    const { code, message } = failure({ task: "train", model: { name: "resnet8" }, linearScaling: true });
    expect(code).to.equal("CONFIG_INVALID");
    expect(message).to.include("invalid linearScaling in the run configuration: expected a preset").and.include(
      "--preset",
    );
  });

  it("leaves an invalid batch size to the schema", () => {
    const settings = { task: "distill", preset: "faster-rcnn-resnet101-resnet50", ...FILES, linearScaling: true };
    for (const batchSize of [0, "8"]) {
      expect(failure({ ...settings, training: { batchSize } }).message).to.match(/^invalid training\.batchSize in /);
    }
  });
});
