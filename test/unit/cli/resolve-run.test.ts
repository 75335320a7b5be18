import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { isReviewKdError } from "../../../lib/index.js";
import { resolveRun, type Task } from "../../../lib/cli/options/resolve-run.js";

async function rejection(task: Task,
  ...rest: [Parameters<typeof resolveRun>[1], Parameters<typeof resolveRun>[2]]
): Promise<{ code: string; message: string }> {
  const error: unknown = await resolveRun(task, ...rest).then(() => undefined, (reason: unknown) => reason);
  if (!isReviewKdError(error)) throw new Error(`missing rejection: received ${String(error)}`);
  return error;
}

describe("cli/resolve-run", () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "reviewkd-resolve-"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const write = async (name: string, content: object): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, JSON.stringify(content));
    return path;
  };

  it("trains on synthetic data by default", async () => {
    const { config, runDirectory } = await resolveRun("train", {}, { model: { name: "resnet8" } });
    expect(config.data.kind).to.equal("synthetic");
    expect(runDirectory).to.equal(join("runs", "train-resnet8-0"));
  });

  it("names the directory of a distillation after both networks", async () => {
    const networks = { teacher: { name: "resnet56", weights: "t.safetensors" }, student: { name: "resnet20" },
      training: { seed: 4 } };
    expect((await resolveRun("distill", {}, networks)).runDirectory).to.equal(
      join("runs", "distill-resnet20-from-resnet56-4"),
    );
  });

  it("lets flags override the file, the file the preset and the preset the defaults", async () => {
    const file = await write("layers.json", {
      training: { epochs: 5, optimizer: { learningRate: 0.01 } },
      data: { kind: "synthetic" },
      teacher: { weights: "t.safetensors" },
    });
    const flags = { preset: "resnet56-resnet20", config: file };
    const { config } = await resolveRun("distill", flags, { training: { epochs: 2 }, method: { warmupEpochs: 1 } });
    expect(config).to.deep.include({ task: "distill", preset: "resnet56-resnet20",
      teacher: { name: "resnet56", weights: "t.safetensors" } });
    expect(config.training).to.include({ epochs: 2, batchSize: 128 });
    expect(config.training.optimizer).to.include({ learningRate: 0.01, weightDecay: 5e-4 });
    if (config.task !== "distill") throw new Error("expected a distillation");
    expect(config.method).to.include({ kind: "review", weight: 0.6, warmupEpochs: 1 });
  });

  it("uses a resumed run's own configuration, overridden by flags", async () => {
    await write("config.json", { task: "train", model: { name: "resnet8" }, training: { epochs: 7 } });
    const { config, runDirectory } = await resolveRun("train", { run: directory, resume: true }, {
      training: { threads: 1 },
    });
    expect(config.training).to.include({ epochs: 7, threads: 1 });
    expect(runDirectory).to.equal(directory);
  });

  it("names the flags of missing inputs that have no default", async () => {
    const cases: [Task, Parameters<typeof resolveRun>[1], object, string][] = [
      ["train", {}, {}, "--model"],
      ["distill", {}, {}, "--teacher"],
      ["distill", {}, { teacher: { name: "resnet56" } }, "--student"],
      ["distill", {}, { teacher: { name: "resnet56" }, student: { name: "resnet20" } }, "--teacher-weights"],
      ["train", { preset: "cifar100" }, { model: { name: "resnet20" } }, "--data"],
      ["train", { preset: "imagenet" }, { model: { name: "resnet20" } }, "--data"],
      ["train", { preset: "coco" }, { model: { name: "retinanet-resnet18-fpn" } }, "--data"],
      ["distill", { preset: "faster-rcnn-resnet101-resnet18" }, {}, "--teacher-weights"],
      ["distill", { preset: "faster-rcnn-resnet101-resnet18" }, { teacher: { weights: "t.pkl" } },
        "--backbone-weights"],
    ];
    for (const [task, flags, settings, option] of cases) {
      const { code, message } = await rejection(task, flags, settings as Parameters<typeof resolveRun>[2]);
      expect(code).to.equal("CONFIG_INVALID");
      expect(message).to.include(`missing ${option}. `);
    }
  });

  it("requires the backbone of a preset's student, and then COCO's directory", async () => {
    const flags = { preset: "faster-rcnn-resnet101-resnet18" };
    const teacher = { weights: "t.pkl" };
    expect((await rejection("distill", flags, { teacher })).message).to.include("--student-weights");
    for (const student of [{ backboneWeights: "b.pth" }, { weights: "s.pth" }, { name: "faster-rcnn-resnet34-fpn" }]) {
      const { code, message } = await rejection("distill", flags, { teacher, student });
      expect(code).to.equal("CONFIG_INVALID");
      expect(message).to.match(/^missing --data\. Pass coco:DIR with the directory of train2017/);
      const { config } = await resolveRun("distill", flags, { teacher, student, data: { kind: "coco", root: "coco" } });
      expect(config.data).to.include({ kind: "coco", root: "coco" });
      expect(config.training).to.include({ epochs: null, maxSteps: 180_000 });
    }
    // Files that are named one by one need no directory.
    const data = { kind: "coco", images: "all", annotations: { train: "t.json", val: "v.json" } };
    const { config } = await resolveRun("distill", flags, { teacher, student: { weights: "s.pth" }, data });
    expect(config.data).to.deep.include(data);
  });

  it("rejects a configuration of the other task and names its command", async () => {
    const file = await write("other.json", { task: "distill" });
    expect((await rejection("train", { config: file }, {})).message).to.include("reviewkd distill");
  });

  it("uses the configuration of a run that --resume auto finds, and the flags otherwise", async () => {
    const settings = { model: { name: "resnet8" }, training: { threads: 1 } };
    const fresh = await resolveRun("train", { run: join(directory, "new"), resume: "auto" }, settings);
    expect(fresh.config.training).to.include({ epochs: 240, threads: 1 });
    await write("config.json", { task: "train", model: { name: "resnet8" }, training: { epochs: 7 } });
    const found = await resolveRun("train", { run: directory, resume: "auto" }, settings);
    expect(found.config.training).to.include({ epochs: 7, threads: 1 });
    await writeFile(join(directory, "config.json"), '{"task": "tr');
    expect((await resolveRun("train", { run: directory, resume: "auto" }, settings)).config).to.deep.equal(
      fresh.config,
    );
  });

  it("explains what --resume requires", async () => {
    const { code, message } = await rejection("train", { run: join(directory, "nothing"), resume: true }, {});
    expect(code).to.equal("RUN_DIRECTORY");
    expect(message).to.include("config.json").and.include("--resume");
  });
});
