import { expect } from "chai";
import { ReviewKdError } from "../../../lib/errors.js";
import { listModels } from "../../../lib/api/model.js";
import { addon } from "../../../lib/native.js";
import { findPreset, listPresets } from "../../../lib/config/presets/index.js";
import { OneStageOptions, stagesOf, TwoStageOptions } from "../../../lib/config/schemas/detection/detector.js";
import { Preset } from "../../../lib/config/schemas/preset.js";

const CLASSIFIERS = listPresets().filter(({ dataset }) => dataset !== "coco");
const DETECTORS = listPresets().filter(({ dataset }) => dataset === "coco");

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
    const networks = [...listModels().map(({ name }) => name), ...addon().listDetectors()];
    for (const { name, dataset, teacher, student } of listPresets()) {
      if (teacher === undefined || student === undefined) continue;
      expect(networks).to.include.members([teacher, student]);
      // A detector's name is its kind, its backbone and its pyramid.
      const [, kind = "", backbone = ""] = /^(.*-rcnn|retinanet)-(.*)-fpn$/.exec(student) ?? [];
      const pair = dataset === "coco" ? `${teacher.replace("-fpn", "")}-${backbone}` : `${teacher}-${student}`;
      expect(name.replace("-rerun", "")).to.equal(pair);
      expect(teacher.startsWith(kind)).to.equal(true);
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
      maxSteps: null,
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
    const pairs = CLASSIFIERS.filter(({ published }) => published !== undefined).map((
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
    const marks = CLASSIFIERS.flatMap(({ name, marks: own }) => own.map(({ field, origin }) => [name, field, origin]));
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
      maxSteps: null,
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

  it("have the official COCO settings", () => {
    const { training, method, dataset, data, published, detectors } = findPreset("coco");
    expect([dataset, published, detectors]).to.deep.equal(["coco", undefined, undefined]);
    expect(data).to.deep.equal({ trainSizes: [640, 672, 704, 736, 768, 800] });
    expect(method).to.deep.include({ kind: "review", warmupEpochs: 0, teacherMode: "eval" });
    expect(training).to.deep.equal({
      epochs: null,
      maxSteps: 180_000,
      batchSize: 8,
      augment: true,
      microBatches: 1,
      accumulateBatches: 1,
      clipNorm: null,
      optimizer: { kind: "sgd", learningRate: 0.01, momentum: 0.9, nesterov: false, weightDecay: 1e-4,
        normWeightDecay: 0, groups: [] },
      schedule: { kind: "multi-step", milestones: [], milestoneSteps: [120_000, 160_000], factor: 0.1, warmupEpochs: 0,
        warmupSteps: 1000, warmupFactor: 0.001 },
    });
    for (const pair of DETECTORS) {
      expect(pair.data).to.deep.equal(data);
      const { learningRate } = pair.training.optimizer;
      expect(pair.training).to.deep.equal({ ...training, optimizer: { ...training.optimizer, learningRate } });
      expect(pair.method).to.deep.equal({ ...method, weight: "weight" in pair.method ? pair.method.weight : 0 });
    }
  });

  it("have the published weight, learning rate and precisions of each pair of detectors", () => {
    const pairs = DETECTORS.slice(1).map(({ name, method, training, published }) => {
      const { metric, teacher, student, review, studentInPaper, ap50, ap75 } = published!;
      return [name, "weight" in method && method.weight, training.optimizer.learningRate, metric, teacher, student,
        review, ap50?.student, ap75?.student, ap50?.review, ap75?.review, studentInPaper];
    });
    const none = undefined;
    expect(pairs).to.deep.equal([
      ["faster-rcnn-resnet101-resnet18", 1.2, 0.01, "box AP", 42, 33.26, 36.75, 53.61, 35.26, 56.72, 34, none],
      ["faster-rcnn-resnet101-resnet50", 1, 0.01, "box AP", 42, 37.9, 40.36, none, none, 60.97, 44.08, none],
      ["faster-rcnn-resnet50-mobilenetv2", 2, 0.01, "box AP", 40.2, 29.47, 33.71, 48.87, 30.9, 53.15, 36.13, none],
      ["retinanet-resnet101-resnet50", 1, 0.005, "box AP", 40.4, 37.4, 38.48, none, none, 58.22, 41.46, 36.15],
      ["mask-rcnn-resnet101-resnet18", 1.5, 0.01, "mask AP", 38.6, 31.25, 33.62, none, none, none, none, none],
      ["mask-rcnn-resnet101-resnet50", 0.8, 0.01, "mask AP", 38.6, 35.2, 36.98, none, none, none, none, none],
      ["mask-rcnn-resnet50-mobilenetv2", 1, 0.01, "mask AP", 37.2, 28.37, 31.56, none, none, none, none, none],
    ]);
  });

  it("mark every precision that is not detectron2's own as quoted from memory", () => {
    const own = ["faster-rcnn-resnet101-resnet50", "retinanet-resnet101-resnet50", "mask-rcnn-resnet101-resnet50"];
    for (const { name, published, marks } of DETECTORS.slice(1)) {
      const { metric, teacher, student, ap50 = {}, ap75 = {}, ...fromPaper } = published!;
      expect([typeof metric, typeof teacher, typeof student]).to.deep.equal(["string", "number", "number"]);
      const fields = [...own.includes(name) ? [] : ["student"], ...Object.keys(fromPaper),
        ...Object.keys(ap50).map((key) => `ap50.${key}`), ...Object.keys(ap75).map((key) => `ap75.${key}`)];
      const memory = marks.filter(({ origin }) => origin === "memory").map(({ field }) => field);
      expect(memory, name).to.have.members(fields.map((field) => `published.${field}`));
    }
    expect(findPreset("faster-rcnn-resnet101-resnet18").marks.find(({ field }) => field === "published.ap75.review"))
      .to.include({ note: "surely a misprint" });
  });

  it("keep the published quirks of detectors, and mark each", () => {
    const reversed = { reverseImageStats: true };
    const bgr = { trainableLayers: 5, channelOrder: "bgr", pixelScale: 255, imageMean: [103.53, 116.28, 123.675],
      imageStd: [1, 1, 1] };
    const expected: Record<string, [student: object | undefined, teacher: object | undefined, quirks: string[]]> = {
      "faster-rcnn-resnet101-resnet18": [reversed, reversed, ["student.reverseImageStats",
        "teacher.reverseImageStats"]],
      "faster-rcnn-resnet101-resnet50": [undefined, undefined, []],
      "faster-rcnn-resnet50-mobilenetv2": [bgr, undefined, ["student.channelOrder", "student.pixelScale",
        "student.imageMean", "student.imageStd"]],
      "retinanet-resnet101-resnet50": [{ boxLoss: "smoothL1", boxLossBeta: 0.1 }, undefined, ["student.boxLossBeta"]],
    };
    for (const { name, detectors, marks } of DETECTORS.slice(1)) {
      const [student, teacher, quirks] = expected[name.replace("mask-rcnn", "faster-rcnn")]!;
      expect(detectors, name).to.deep.equal({
        student: { flavor: "detectron2", ...(student && { detection: student }) },
        teacher: teacher === undefined ? {} : { detection: teacher },
      });
      const marked = marks.filter(({ origin }) => origin === "quirk");
      expect(marked.map(({ field }) => field.replace("detectors.", "").replace("detection.", "")), name).to.deep.equal(
        quirks,
      );
      for (const { note } of marked) expect(note).to.be.a("string");
    }
  });

  it("set only switches that their detectors have", () => {
    for (const { student, detectors } of DETECTORS.slice(1)) {
      const options = stagesOf(student!) === "one-stage" ? OneStageOptions : TwoStageOptions;
      for (const { detection } of Object.values(detectors!))
        expect(options.safeParse(detection ?? {}).success).to.be.true;
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
