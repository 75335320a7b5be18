import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { parseRunConfig, readRunConfig, readRunConfigInput } from "../../../lib/config/config-file.js";
import { ReviewKdError } from "../../../lib/errors.js";
import { findPreset } from "../../../lib/config/presets/index.js";
import type { RunConfig } from "../../../lib/config/schemas/run-config.js";
import { failureOf, scratchDirectory } from "./small-run.js";

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/config/${name}`, import.meta.url));

function failure(input: unknown): ReviewKdError {
  try {
    parseRunConfig(input as Parameters<typeof parseRunConfig>[0]);
  } catch (error) {
    if (error instanceof ReviewKdError) return error;
    throw error;
  }
  throw new Error("the configuration was accepted");
}

describe("parseRunConfig", () => {
  it("requires only a task and a network to train", () => {
    const config = parseRunConfig({ task: "train", model: { name: "resnet20" } });
    expect(config.data).to.deep.equal({ kind: "synthetic", numClasses: 20, trainSamples: 4000, testSamples: 2000,
      seed: 0 });
    expect(config.training).to.deep.include({ epochs: 240, batchSize: 128, seed: 0, threads: null });
  });

  it("accepts its own output unchanged", () => {
    for (const preset of [undefined, "resnet56-resnet20"]) {
      const once = parseRunConfig({
        task: "distill",
        preset,
        teacher: { name: "resnet56", weights: "teacher.safetensors" },
        student: { name: "resnet20" },
        data: { kind: "cifar100", root: "data" },
        training: { schedule: { kind: "cosine" }, clipNorm: 5 },
      });
      expect(parseRunConfig(JSON.parse(JSON.stringify(once)) as typeof once)).to.deep.equal(once);
    }
  });

  it("lets the configuration override its preset, and the preset the defaults", () => {
    const config = parseRunConfig({ task: "distill", preset: "resnet56-resnet20", teacher: { weights: "t.safetensors" },
      data: { root: "data" }, method: { warmupEpochs: 2 }, training: { epochs: 5 } });
    if (config.task !== "distill") throw new Error("another task");
    expect(config.teacher).to.deep.equal({ name: "resnet56", weights: "t.safetensors" });
    expect(config.student).to.deep.equal({ name: "resnet20" });
    expect(config.data).to.deep.equal({ kind: "cifar100", root: "data" });
    expect(config.method).to.deep.include({ weight: 0.6, warmupEpochs: 2 });
    expect(config.training.epochs).to.equal(5);
    expect(config.training.schedule).to.deep.equal(findPreset("resnet56-resnet20").training.schedule);
  });

  it("uses only the training options of a pair's preset to train one network", () => {
    const config = parseRunConfig({ task: "train", preset: "resnet56-resnet20", model: { name: "resnet56" },
      data: { root: "data" } });
    expect(config).to.have.all.keys("task", "preset", "model", "data", "training");
    expect(config.training.epochs).to.equal(240);
  });

  it("lets settings omit the default kind", () => {
    const config = parseRunConfig({ task: "train", model: { name: "resnet20" },
      training: { optimizer: { learningRate: 0.02 }, schedule: { milestones: [5] } }, data: { seed: 7 } });
    expect(config.training.optimizer).to.deep.include({ kind: "sgd", learningRate: 0.02 });
    expect(config.training.schedule).to.deep.include({ kind: "multi-step", milestones: [5] });
    expect(config.data).to.deep.include({ kind: "synthetic", seed: 7 });
  });

  it("explains how to get missing teacher weights", () => {
    const error = failure({ task: "distill", teacher: { name: "resnet56" }, student: { name: "resnet20" } });
    expect(error.code).to.equal("CONFIG_INVALID");
    expect(error.message).to.contain("invalid teacher.weights in ").and.to.contain("`reviewkd train` writes one");
  });

  for (const [problem, input, text] of [
    ["an unknown key", { task: "train", model: { name: "resnet20" }, trainig: {} }, 'Did you mean "training"?'],
    ["an unknown key within", { task: "train", model: { name: "resnet20" }, training: { batchsize: 4 } },
      "invalid training in "],
    ["a key of the other task", { task: "train", model: { name: "resnet20" }, method: { kind: "review" } },
      'received "method"'],
    ["an unknown task", { task: "distil" }, 'Did you mean "distill"?'],
    ["no task", {}, ': expected "train" or "distill", received nothing.'],
    ["something else than an object", [1], "received an array of 1 elements."],
    ["no network", { task: "train" }, "invalid model in "],
    ["data that only a program can hand over", { task: "train", model: { name: "resnet20" }, data: { kind: "arrays" } },
      ': expected "synthetic", "cifar10", "cifar100", "image-folder", "idx", "coco", "voc" or "scenes", received "arrays".'],
  ] as const) {
    it(`rejects ${problem}`, () => {
      const error = failure(input);
      expect(error.code).to.equal("CONFIG_INVALID");
      expect(error.message).to.contain(text);
    });
  }

  it("derives from an ImageNet preset that its data is an image folder, and requires its root", () => {
    const config = { task: "distill", preset: "resnet34-resnet18", teacher: { weights: "t.safetensors" } };
    const { data, teacher } = parseRunConfig({ ...config, data: { root: "imagenet" } }) as Extract<RunConfig,
      { task: "distill" }>;
    expect(data).to.include({ kind: "image-folder", root: "imagenet", imageSize: 224 });
    expect(teacher).to.deep.equal({ name: "resnet34", weights: "t.safetensors" });
    expect(failure(config).message).to.include("data.root");
    expect(parseRunConfig({ ...config, data: { kind: "synthetic" } }).data).to.include({ kind: "synthetic" });
  });

  it("rejects an unknown preset", () => {
    expect(failure({ task: "train", preset: "imagenet21k", model: { name: "resnet20" } }).code).to.equal(
      "UNKNOWN_NAME",
    );
  });
});

describe("readRunConfig", () => {
  const scratch = scratchDirectory();

  const written = async (name: string, text: string): Promise<string> => {
    await writeFile(scratch(name), text);
    return scratch(name);
  };

  it("reads the same from YAML and JSON", async () => {
    const config = await readRunConfig(fixture("distill.yaml"));
    expect(config).to.deep.equal(await readRunConfig(fixture("distill.json")));
    expect(config.training.schedule).to.deep.equal({ kind: "cosine", finalScale: 0, warmupEpochs: 1 });
  });

  for (const [name, text, place] of [
    ["run.yaml", "task: train\nmodel: {name: resnet20\n", "line 3"],
    ["run.yaml", "task: train\ntask: train\n", "line 2, column 1"],
    ["run.json", '{\n  "task": "train",\n}\n', "line 3, column 1"],
    ["run.json", '{\n  "task": "train"', "line 2, column 18"],
  ] as const) {
    it(`reports file and position of a syntax error: ${JSON.stringify(text)}`, async () => {
      const path = await written(name, text);
      const error = await failureOf(readRunConfig(path));
      expect(error.code).to.equal("CONFIG_INVALID");
      expect(error.message).to.contain(`${path} at ${place}`);
    });
  }

  it("names the file of an unknown key", async () => {
    const path = await written("run.yml", "task: train\nmodel: { name: resnet20 }\ntraining: { learningrate: 0.1 }\n");
    const error = await failureOf(readRunConfig(path));
    expect(error.message).to.contain(path).and.to.contain('received "learningrate"');
  });

  it("reads a partial configuration unchanged", async () => {
    const path = await written("part.yaml", "training:\n  epochs: 3\n");
    expect(await readRunConfigInput(path)).to.deep.equal({ training: { epochs: 3 } });
  });

  it("distinguishes a missing file from one that cannot be read", async () => {
    expect((await failureOf(readRunConfig(scratch("none.yaml")))).code).to.equal("FILE_NOT_FOUND");
    await mkdir(scratch("directory.yaml"));
    expect((await failureOf(readRunConfig(scratch("directory.yaml")))).code).to.equal("FILE_ACCESS");
  });

  it("rejects other file types", async () => {
    const error = await failureOf(readRunConfig(await written("run.toml", "")));
    expect(error.code).to.equal("FILE_UNSUPPORTED");
    expect(error.message).to.contain(".yaml, .yml, .json");
  });

  it("rejects a file without settings", async () => {
    expect((await failureOf(readRunConfig(await written("empty.yaml", "")))).message).to.contain("received null");
    expect((await failureOf(readRunConfig(await written("list.json", "[1, 2]")))).message).to.contain(
      "received an array of 2 elements",
    );
  });

  it("limits the expansion of aliases", async () => {
    const levels = Array.from({ length: 12 },
      (_, level) => `l${level}: &l${level} [${Array(9).fill(level === 0 ? "x" : `*l${level - 1}`).join(",")}]`);
    const error = await failureOf(readRunConfig(await written("bomb.yaml", levels.join("\n"))));
    expect(error.code).to.equal("CONFIG_INVALID");
  });
});
