import { expect } from "chai";
import { ReviewKdError } from "../../../lib/errors.js";
import { listModels } from "../../../lib/api/model.js";
import { findPreset, listPresets } from "../../../lib/config/presets/index.js";
import { Preset } from "../../../lib/config/schemas/preset.js";

describe("presets", () => {
  it("are found by their names, which are unique", () => {
    const names = listPresets().map(({ name }) => name);
    expect(new Set(names).size).to.equal(names.length);
    for (const preset of listPresets()) expect(findPreset(preset.name)).to.equal(preset);
  });

  it("conform to their schema", () => {
    for (const preset of listPresets()) expect(Preset.parse(preset)).to.deep.equal(preset);
  });

  it("name existing networks, and are named after them", () => {
    const networks = listModels().map(({ name }) => name);
    for (const { name, teacher, student } of listPresets()) {
      if (teacher === undefined || student === undefined) continue;
      expect(networks).to.include.members([teacher, student]);
      expect(name.replace("-rerun", "")).to.equal(`${teacher}-${student}`);
    }
  });

  it("mark only existing fields", () => {
    for (const preset of listPresets()) {
      for (const { field } of preset.marks) {
        const value = field.split(".").reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], preset);
        expect(value, `${preset.name} ${field}`).to.not.equal(undefined);
      }
    }
  });

  it("are deeply frozen", () => {
    const preset = findPreset("cifar100");
    expect(() => {
      (preset.training.optimizer as { learningRate: number }).learningRate = 1;
    }).to.throw(TypeError);
    expect(() => {
      (listPresets() as Preset[]).push(preset);
    }).to.throw(TypeError);
  });

  it("have the official CIFAR settings", () => {
    const { training, method, origin } = findPreset("cifar100");
    expect(origin).to.equal("published");
    expect(method).to.deep.include({ kind: "review", warmupEpochs: 20, teacherMode: "eval", teacherFeatures: "before",
      studentFeatures: "after" });
    expect(training).to.deep.equal({
      epochs: 240,
      batchSize: 128,
      augment: true,
      microBatches: 1,
      accumulateBatches: 1,
      clipNorm: null,
      optimizer: { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4, groups: [] },
      schedule: { kind: "multi-step", milestones: [150, 180, 210], factor: 0.1, warmupEpochs: 0 },
    });
  });

  it("have mdistiller's settings, whose rate drops an epoch earlier than the official one", () => {
    const official = findPreset("cifar100");
    const { training, method } = findPreset("mdistiller");
    expect(method).to.deep.equal({ ...official.method, warmupFrom: 1 });
    expect(training).to.deep.equal({
      ...official.training,
      batchSize: 64,
      optimizer: { ...official.training.optimizer, learningRate: 0.05, nesterov: false },
      schedule: { ...official.training.schedule, milestones: [149, 179, 209] },
    });
  });

  it("have the published weight, learning rate and accuracies of each pair", () => {
    const pairs = listPresets().filter(({ published }) => published !== undefined).map((
      { name, method, training, published },
    ) => [name, "weight" in method && method.weight, training.optimizer.learningRate, published?.teacher,
      published?.student, published?.review, published?.rerun]
    );
    expect(pairs).to.deep.equal([
      ["resnet56-resnet20", 0.6, 0.1, 72.34, 69.06, 71.89, undefined],
      ["resnet56-resnet20-rerun", 0.7, 0.1, 72.34, 69.06, 71.89, 71.79],
      ["resnet110-resnet32", 1, 0.1, 74.31, 71.14, 73.89, 73.61],
      ["resnet32x4-resnet8x4", 5, 0.1, 79.42, 72.5, 75.63, 76.02],
      ["wrn-40-2-wrn-16-2", 5, 0.1, 75.61, 73.26, 76.12, 76.27],
      ["wrn-40-2-wrn-40-1", 5, 0.1, 75.61, 71.98, 75.09, 75.21],
      ["vgg13-vgg8", 5, 0.1, 74.64, 70.36, 74.84, undefined],
      ["resnet32x4-shufflenetv1", 5, 0.02, 79.42, 70.5, 77.45, 76.94],
      ["wrn-40-2-shufflenetv1", 5, 0.02, 75.61, 70.5, 77.14, 77.44],
      ["resnet32x4-shufflenetv2", 8, 0.02, 79.42, 71.82, 77.78, 77.86],
      ["vgg13-mobilenetv2-half", 8, 0.02, 74.64, 64.6, 70.37, undefined],
      ["resnet50-cifar-mobilenetv2-half", 30, 0.01, 79.34, 64.6, 69.89, 69.88],
      ["resnet34-resnet18", 1, 0.1, 73.31, 69.75, 71.61, undefined],
      ["resnet50-mobilenetv1", 8, 0.1, 76.16, 68.87, 72.56, undefined],
    ]);
  });

  it("mark values that were quoted from memory, re-run, or not published", () => {
    const marks = listPresets().flatMap(({ name, marks: own }) =>
      own.map(({ field, origin }) => [name, field, origin])
    );
    expect(marks).to.deep.equal([
      ["resnet56-resnet20-rerun", "method.weight", "re-run"],
      ["resnet110-resnet32", "published.teacher", "memory"],
      ["resnet110-resnet32", "published.student", "memory"],
      ["wrn-40-2-wrn-16-2", "published.student", "memory"],
      ["vgg13-vgg8", "method.weight", "ours"],
      ["vgg13-vgg8", "published.teacher", "memory"],
      ["vgg13-vgg8", "published.student", "memory"],
      ["vgg13-mobilenetv2-half", "method.weight", "ours"],
      ["vgg13-mobilenetv2-half", "published.teacher", "memory"],
      ["vgg13-mobilenetv2-half", "published.review", "memory"],
      ["resnet50-cifar-mobilenetv2-half", "method.weight", "re-run"],
      ["resnet50-cifar-mobilenetv2-half", "training.batchSize", "re-run"],
      ["resnet50-cifar-mobilenetv2-half", "training.optimizer.learningRate", "re-run"],
    ]);
  });

  it("have the official ImageNet settings, and the published options of each pair", () => {
    const { training, method, dataset } = findPreset("imagenet");
    expect(dataset).to.equal("imagenet");
    expect(method).to.deep.include({ kind: "review", warmupEpochs: 0, teacherMode: "eval", teacherFeatures: "after",
      studentFeatures: "after" });
    expect(training).to.deep.equal({
      epochs: 100,
      batchSize: 256,
      augment: true,
      microBatches: 1,
      accumulateBatches: 1,
      clipNorm: null,
      optimizer: { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: false, weightDecay: 1e-4, groups: [] },
      // The rate is lower from epochs 30, 60 and 90 on, that is, after the previous ones.
      schedule: { kind: "multi-step", milestones: [29, 59, 89], factor: 0.1, warmupEpochs: 0 },
    });
    for (const [name, studentFeatures, midChannels] of [["resnet34-resnet18", "after", 512], ["resnet50-mobilenetv1",
      "before", 256]] as const) {
      const pair = findPreset(name);
      expect(pair.training).to.deep.equal(training);
      expect(pair.method).to.deep.include({ warmupEpochs: 0, teacherFeatures: "after", studentFeatures, midChannels });
    }
  });

  it("do not present our settings as published", () => {
    const { origin, published, source } = findPreset("cifar100-short");
    expect([origin, published]).to.deep.equal(["ours", undefined]);
    expect(source).to.contain("not published");
  });

  it("are listed for an unknown name, with the nearest", () => {
    try {
      findPreset("resnet56-resnet2");
      throw new Error("the preset was found");
    } catch (error) {
      if (!(error instanceof ReviewKdError)) throw error;
      expect(error.code).to.equal("UNKNOWN_NAME");
      expect(error.valid).to.deep.equal(listPresets().map(({ name }) => name));
      expect(error.message).to.contain('received "resnet56-resnet2"; did you mean "resnet56-resnet20"?');
    }
  });
});
