import { Command } from "commander";
import { expect } from "chai";
import { schemas } from "../../../lib/index.js";
import { addTrainingFlags, trainingSettings, type TrainingFlags } from "../../../lib/cli/options/training-flags.js";

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
      batchSize: 32,
      evaluationBatchSize: 64,
      seed: 7,
      augment: false,
      precision: "bfloat16",
      device: "cpu",
      threads: 2,
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

  it("infers a multi-step schedule from milestones", () => {
    expect(settingsOf("--milestones", "5,8", "--lr-factor", "0.2"))
      .to.deep.equal({ training: { schedule: { kind: "multi-step", milestones: [5, 8], factor: 0.2 } } });
  });
});
