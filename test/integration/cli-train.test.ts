import { readFile, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { readWeightsInfo } from "../../lib/index.js";
import { fail, jsonEvents, succeed, useDirectory, TINY, type JsonEvent } from "./helpers.js";

async function readJson(path: string): Promise<{ [key: string]: unknown; training: { [key: string]: unknown } }> {
  return JSON.parse(await readFile(path, "utf8")) as { training: { [key: string]: unknown } };
}

describe("command line: train, distill, eval", () => {
  const directory = useDirectory();
  let teacherRun: string;
  let teacherWeights: string;
  let trainOutput: string;

  before(async () => {
    teacherRun = join(directory.path, "teacher");
    teacherWeights = join(teacherRun, "student.safetensors");
    const { stdout } = await succeed(["train", "--model", "resnet14", ...TINY, "--epochs", "2", "--seed", "3", "--run",
      teacherRun]);
    trainOutput = stdout;
  });

  const distillWords = (run: string): string[] => [
    "distill",
    "--teacher",
    "resnet14",
    "--teacher-weights",
    teacherWeights,
    "--student",
    "resnet8",
    ...TINY,
    "--epochs",
    "1",
    "--weight",
    "0.5",
    "--warmup-epochs",
    "0",
    "--run",
    run,
  ];

  it("writes a row per epoch and a table at the end, in plain lines", () => {
    expect(trainOutput).to.match(/^ +1\/2 .*\n +2\/2 /m);
    expect(trainOutput).to.include("top-1, last epoch").and.include(teacherRun);
    expect(trainOutput).to.not.include("\u001b").and.not.include("\r");
  });

  it("writes a complete run directory", async () => {
    for (const file of ["config.json", "metrics.jsonl", "last.safetensors", "best.safetensors",
      "student.safetensors"]) {
      expect(existsSync(join(teacherRun, file)), file).to.equal(true);
    }
    const metrics = (await readFile(join(teacherRun, "metrics.jsonl"), "utf8")).trimEnd().split("\n");
    expect(metrics).to.have.length(2);
    const { training } = await readJson(join(teacherRun, "config.json"));
    expect(training).to.include({ epochs: 2, batchSize: 16, seed: 3, augment: true });
    expect((await readWeightsInfo(teacherWeights)).metadata).to.include({ model: "resnet14", numClasses: "4" });
  });

  it("reproduces a run bitwise from its config.json", async () => {
    const again = join(directory.path, "again");
    await succeed(["train", "--config", join(teacherRun, "config.json"), "--run", again]);
    expect(await readFile(join(again, "student.safetensors"))).to.deep.equal(await readFile(teacherWeights));
  });

  it("does not overwrite a run", async () => {
    const message = await fail(["train", "--model", "resnet8", ...TINY, "--epochs", "1", "--run", teacherRun], {
      exit: 1,
      code: "RUN_DIRECTORY",
    });
    expect(message).to.include(teacherRun).and.include("resume");
  });

  it("names its run directory after task, network and seed by default", async () => {
    await succeed(["train", "--model", "resnet8", ...TINY, "--epochs", "1", "--seed", "5"], { cwd: directory.path });
    expect(existsSync(join(directory.path, "runs", "train-resnet8-5", "student.safetensors"))).to.equal(true);
  });

  describe("distill --json", () => {
    let events: JsonEvent[];
    let run: string;

    before(async () => {
      run = join(directory.path, "distilled");
      const { stdout } = await succeed([...distillWords(run), "--json"]);
      events = jsonEvents(stdout);
    });

    it("writes one event per line and nothing else, from start to end", () => {
      expect(events[0]).to.include({ type: "start", task: "distill", epochs: 1, trainSamples: 64, testSamples: 32,
        runDirectory: run });
      expect(events.at(-1)).to.include({ type: "end", epochs: 1 });
      expect(events.filter(({ type }) => type === "epoch")).to.have.length(1);
    });

    it("reports the terms of the loss", () => {
      const epoch = events.find(({ type }) => type === "epoch") as unknown as {
        train: {
          losses: { total: number; crossEntropy: number; distillation: number; distillationWeight: number;
            perStage: number[] };
        };
      };
      const { total, crossEntropy, distillation, distillationWeight, perStage } = epoch.train.losses;
      expect(distillationWeight).to.equal(0.5);
      expect(distillation).to.be.greaterThan(0);
      expect(total).to.be.closeTo(crossEntropy + 0.5 * distillation, 1e-4 * total);
      expect(perStage.reduce((sum, loss) => sum + loss, 0)).to.be.closeTo(distillation, 1e-4 * distillation);
    });

    it("evaluates the student to the result of training, with the network named in the file", async () => {
      const { last } = events.at(-1) as unknown as {
        last: { top1: number; top5: number; loss: number; samples: number };
      };
      const { stdout } = await succeed([
        "eval",
        "--weights",
        join(run, "student.safetensors"),
        "--data",
        "synthetic:numClasses=4,trainSamples=64,testSamples=32",
        "--json",
      ]);
      const [evaluation, ...rest] = jsonEvents(stdout);
      expect(rest).to.deep.equal([]);
      expect(evaluation).to.include({ type: "evaluation", model: "resnet8", split: "test", top1: last.top1,
        top5: last.top5, samples: 32 });
      expect(evaluation?.["loss"]).to.be.closeTo(last.loss, 1e-5 * last.loss);
    });
  });

  it("prints an evaluation as a table, of either split", async () => {
    const { stdout } = await succeed([
      "eval",
      "--model",
      "resnet14",
      "--weights",
      teacherWeights,
      "--split",
      "train",
      "--limit-train",
      "24",
      "--data",
      "synthetic:numClasses=4,trainSamples=64,testSamples=32",
    ]);
    expect(stdout).to.include("top-1").and.include("top-5").and.include("mean cross entropy").and.include("24 (train)");
  });

  it("lets flags override the configuration file, and the file the preset", async () => {
    const file = join(directory.path, "run.yaml");
    await writeFile(file, [
      "model: { name: resnet8 }",
      "data: { kind: synthetic, numClasses: 4, trainSamples: 64, testSamples: 32 }",
      "training:",
      "  epochs: 5",
      "  batchSize: 16",
      "  optimizer: { learningRate: 0.01 }",
    ].join("\n"));
    const run = join(directory.path, "layers");
    await succeed(["train", "--preset", "cifar100", "--config", file, "--epochs", "1", "--weight-decay", "0.001",
      "--run", run]);
    const { training, data } = await readJson(join(run, "config.json"));
    expect(training).to.include({ epochs: 1, batchSize: 16 });
    expect(training["optimizer"]).to.include({ learningRate: 0.01, weightDecay: 0.001, nesterov: true });
    expect(training["schedule"]).to.deep.include({ kind: "multi-step", milestones: [150, 180, 210] });
    expect(data).to.include({ kind: "synthetic", trainSamples: 64 });
  });

  it("resumes a finished run to its end immediately, and refuses to resume it with other settings", async () => {
    const { stdout } = await succeed(["train", "--run", teacherRun, "--resume", "--json"]);
    expect(jsonEvents(stdout).at(-1)).to.include({ type: "end", epochs: 2 });
    const message = await fail(["train", "--run", teacherRun, "--resume", "--batch-size", "8"], { exit: 1,
      code: "RUN_MISMATCH" });
    expect(message).to.include("batchSize").and.include("16").and.include("8");
  });

  it("names the first differing entries of another network's weights", async () => {
    const words = ["eval", "--model", "resnet20", "--weights", teacherWeights, "--data",
      "synthetic:numClasses=4,trainSamples=64,testSamples=32"];
    expect(await fail(words, { exit: 1, code: "STATE_DICT_MISMATCH" })).to.include("layer1.2.");
    const classes = ["eval", "--weights", teacherWeights, "--data",
      "synthetic:numClasses=7,trainSamples=64,testSamples=32"];
    expect(await fail(classes, { exit: 1, code: "STATE_DICT_MISMATCH" })).to.include("fc.weight").and.match(
      /7.*4|4.*7/,
    );
  });

  it("reports that distilling requires batches of more than one image", async () => {
    const words = [...distillWords(join(directory.path, "single")), "--batch-size", "1"];
    expect(await fail(words, { exit: 1, code: "BATCH_TOO_SMALL" })).to.include("batch");
  });
});
