import { expect } from "chai";
import { ReviewKdError } from "../../../lib/errors.js";
import { listModels } from "../../../lib/model.js";
import { findPreset, listPresets } from "../../../lib/presets.js";
import { Preset } from "../../../lib/schemas/preset.js";

describe("presets", () => {
  it("are found by their names, which are unique", () => {
    const names = listPresets().map(({ name }) => name);
    expect(new Set(names).size).to.equal(names.length);
    for (const preset of listPresets()) expect(findPreset(preset.name)).to.equal(preset);
  });

  it("keep to their schema", () => {
    for (const preset of listPresets()) expect(Preset.parse(preset)).to.deep.equal(preset);
  });

  it("name networks that there are", () => {
    const names = listModels().map(({ name }) => name);
    for (const { teacher, student } of listPresets()) {
      if (teacher !== undefined) expect(names).to.include(teacher);
      if (student !== undefined) expect(names).to.include(student);
    }
  });

  it("cannot be changed, however deep", () => {
    const preset = findPreset("cifar100");
    expect(() => { (preset.training.optimizer as { learningRate: number }).learningRate = 1; }).to.throw(TypeError);
    expect(() => { (listPresets() as Preset[]).push(preset); }).to.throw(TypeError);
  });

  it("have the official CIFAR settings", () => {
    const { training, method, origin } = findPreset("cifar100");
    expect(origin).to.equal("published");
    expect(method).to.deep.include({ kind: "review", warmupEpochs: 20, teacherMode: "eval", teacherFeatures: "before", studentFeatures: "after" });
    expect(training).to.deep.equal({
      epochs: 240, batchSize: 128, augment: true, accumulate: 1, clipNorm: null,
      optimizer: { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4, groups: [] },
      schedule: { kind: "multi-step", milestones: [150, 180, 210], factor: 0.1, warmupEpochs: 0 },
    });
  });

  it("have the published weight and accuracies of each pair", () => {
    const pairs = listPresets().filter(({ published }) => published !== undefined)
      .map(({ name, teacher, student, method, published }) => [name, teacher, student, method.weight, published]);
    expect(pairs).to.deep.equal([
      ["resnet56-resnet20", "resnet56", "resnet20", 0.6, { teacher: 72.34, student: 69.06, review: 71.89 }],
      ["resnet110-resnet32", "resnet110", "resnet32", 1, { teacher: 74.31, student: 71.14, review: 73.89 }],
      ["resnet32x4-resnet8x4", "resnet32x4", "resnet8x4", 5, { teacher: 79.42, student: 72.5, review: 75.63 }],
    ]);
  });

  it("do not pass ours off as published", () => {
    const { origin, published, source } = findPreset("cifar100-short");
    expect([origin, published]).to.deep.equal(["ours", undefined]);
    expect(source).to.contain("not published");
  });

  it("say which there are where one is unknown, and which was meant", () => {
    try {
      findPreset("resnet56-resnet2");
      throw new Error("the preset was found");
    } catch (error) {
      if (!(error instanceof ReviewKdError)) throw error;
      expect(error.code).to.equal("UNKNOWN_NAME");
      expect(error.valid).to.deep.equal(listPresets().map(({ name }) => name));
      expect(error.message).to.contain('got "resnet56-resnet2"; did you mean "resnet56-resnet20"?');
    }
  });
});
