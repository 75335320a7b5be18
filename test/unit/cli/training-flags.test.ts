import { Command } from "commander";
import { expect } from "chai";
import { schemas } from "../../../lib/index.js";
import { addSchemaFlags, schemaSettings } from "../../../lib/cli/options/schema-flags.js";
import { addTrainingFlags, imageSizes, trainingSettings,
  type TrainingFlags } from "../../../lib/cli/options/training-flags.js";

function settingsOf(...words: string[]): ReturnType<typeof trainingSettings> {
  const command = addTrainingFlags(new Command("train").exitOverride());
  command.parse(words, { from: "user" });
  return trainingSettings(command.opts<TrainingFlags>());
}

describe("cli/training-flags", () => {
  it("sets nothing without flags, so that all defaults come from the schema", () => {
    expect(settingsOf()).to.deep.equal({});
  });

  it("maps every flag to its place in the schemas", () => {
    const settings = settingsOf(
      "--data",
      "cifar100:/d",
      "--limit-train",
      "100",
      "--limit-test",
      "50",
      "--epochs",
      "3",
      "--batch-size",
      "32",
      "--max-steps",
      "70",
      "--evaluation-batch-size",
      "64",
      "--learning-rate",
      "0.05",
      "--momentum",
      "0.8",
      "--no-nesterov",
      "--weight-decay",
      "1e-4",
      "--schedule",
      "cosine",
      "--lr-warmup-epochs",
      "0.5",
      "--micro-batches",
      "2",
      "--accumulate-batches",
      "3",
      "--clip-norm",
      "1.5",
      "--no-augment",
      "--seed",
      "7",
      "--precision",
      "bfloat16",
      "--device",
      "cpu",
      "--threads",
      "2",
      "--teacher-precision",
      "float32",
      "--teacher-threads",
      "4",
      "--no-fused",
      "--checkpoint-every",
      "5",
      "--keep-checkpoints",
      "2",
      "--checkpoint-minutes",
      "0.5",
    );
    expect(settings["data"]).to.deep.equal({ kind: "cifar100", root: "/d", limitTrain: 100, limitTest: 50 });
    const training = settings["training"] as { optimizer: object };
    const parsed = schemas.TrainingOptions.parse({ ...training, optimizer: { kind: "sgd", ...training.optimizer } });
    expect(parsed).to.deep.equal({
      epochs: 3,
      maxSteps: 70,
      batchSize: 32,
      evaluationBatchSize: 64,
      seed: 7,
      augment: false,
      precision: "bfloat16",
      teacherPrecision: "float32",
      device: "cpu",
      threads: 2,
      teacherThreads: 4,
      fused: false,
      microBatches: 2,
      accumulateBatches: 3,
      clipNorm: 1.5,
      checkpointEvery: 5,
      keepCheckpoints: 2,
      checkpointMinutes: 0.5,
      optimizer: { kind: "sgd", learningRate: 0.05, momentum: 0.8, nesterov: false, weightDecay: 1e-4, groups: [] },
      schedule: { kind: "cosine", finalScale: 0, warmupEpochs: 0.5 },
    });
  });

  it("maps the flags of data with boxes", () => {
    expect(settingsOf("--data", "voc:VOC2012", "--masks", "--invalid-boxes", "drop", "--train-sizes", "640,800"))
      .to.deep.equal({
        data: { kind: "voc", root: "VOC2012", masks: true, invalidBoxes: "drop", trainSizes: [640, 800] },
      });
  });

  it("maps the image sizes of a detector, with none for images in their own size", () => {
    const rows = imageSizes("student");
    const sizes = (...words: string[]): unknown => {
      const command = addSchemaFlags(new Command("distill").exitOverride(), schemas.DistillConfig, rows);
      return schemaSettings(command.parse(words, { from: "user" }).opts(), rows);
    };
    expect(sizes()).to.deep.equal({});
    expect(sizes("--min-size", "none", "--max-size", "640")).to.deep.equal({
      student: { detection: { minSize: null, maxSize: 640 } },
    });
    expect(sizes("--min-size", "600")).to.deep.equal({ student: { detection: { minSize: 600 } } });
    expect(() => sizes("--min-size", "0")).to.throw(
      'invalid --min-size: expected a whole number ≥ 1 or none, received "0".',
    );
    expect(() => sizes("--max-size", "none")).to.throw(
      'invalid --max-size: expected a whole number ≥ 1, received "none".',
    );
  });

  it("infers a multi-step schedule from milestones", () => {
    expect(settingsOf("--milestones", "5,8", "--lr-factor", "0.2"))
      .to.deep.equal({ training: { schedule: { kind: "multi-step", milestones: [5, 8], factor: 0.2 } } });
  });
});
