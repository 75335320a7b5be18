import { expect } from "chai";
import { cellsOf } from "../../../../lib/study/plan/cells.js";
import { conditionsOf, type Condition } from "../../../../lib/study/plan/conditions.js";
import { parseStudyConfig } from "../../../../lib/study/plan/study-config.js";
import { failureOf } from "../../../support/errors.js";

const STAGES = { student: ["layer1"], teacher: ["block1"] };

/** A grid of the pair of the published ablation. */
function grid(vary: Record<string, unknown[]>, overrides: object = {}) {
  return parseStudyConfig({ kind: "grid", teacher: { name: "resnet56", weights: "t.safetensors" },
    student: { name: "resnet20" }, method: { kind: "kd" }, vary, ...overrides });
}

const rows = (...given: Parameters<typeof grid>): readonly Condition[] => conditionsOf(grid(...given), STAGES);

describe("a grid", () => {
  it("has a row for each combination, the last setting changing fastest, after one student alone", () => {
    const found = rows({ "method.weight": [0.5, 1], "method.temperature": [1, 4] });
    expect(found.map(({ id, label, baseline }) => [id, label, baseline])).to.deep.equal([
      ["student-alone", "student alone", null],
      ["weight-0.5_temperature-1", "weight 0.5, temperature 1", "student-alone"],
      ["weight-0.5_temperature-4", "weight 0.5, temperature 4", "student-alone"],
      ["weight-1_temperature-1", "weight 1, temperature 1", "student-alone"],
      ["weight-1_temperature-4", "weight 1, temperature 4", "student-alone"],
    ]);
    expect(found.slice(1).map(({ method }) => method)).to.deep.include.members([
      { ...found[1]!.method, weight: 0.5, temperature: 1 },
    ]);
    expect(found[4]!.method).to.include({ kind: "kd", weight: 1, temperature: 4 });
    expect(found[4]!.settings).to.deep.equal({ "method.weight": 1, "method.temperature": 4 });
  });

  it("trains the student alone once for each setting that affects it, and compares with that one", () => {
    const found = rows({ "training.optimizer.learningRate": [0.05, 0.1], "method.weight": [1, 2],
      "training.teacherPrecision": ["float32", "bfloat16"] });
    expect(found.filter(({ method }) => method === null).map(({ id, label }) => [id, label])).to.deep.equal([
      ["student-alone_learningRate-0.05", "student alone, learningRate 0.05"],
      ["student-alone_learningRate-0.1", "student alone, learningRate 0.1"],
    ]);
    for (const { baseline, settings } of found.filter(({ method }) => method !== null))
      expect(baseline).to.equal(`student-alone_learningRate-${String(settings?.["training.optimizer.learningRate"])}`);
  });

  it("makes cells with the settings of their row", () => {
    const config = grid({ "student.name": ["resnet8", "resnet14"], "training.epochs": [2, 3] }, { seeds: [4] });
    const cells = cellsOf(config, conditionsOf(config, STAGES), "study");
    expect(
      cells.map((
        { id, config: { training, ...run } },
      ) => [id, run.task === "train" ? run.model.name : run.student.name, training.epochs, training.seed]),
    ).to.deep.equal([
      ["student-alone_name-resnet8_epochs-2-seed4", "resnet8", 2, 4],
      ["student-alone_name-resnet8_epochs-3-seed4", "resnet8", 3, 4],
      ["student-alone_name-resnet14_epochs-2-seed4", "resnet14", 2, 4],
      ["student-alone_name-resnet14_epochs-3-seed4", "resnet14", 3, 4],
      ["name-resnet8_epochs-2-seed4", "resnet8", 2, 4],
      ["name-resnet8_epochs-3-seed4", "resnet8", 3, 4],
      ["name-resnet14_epochs-2-seed4", "resnet14", 2, 4],
      ["name-resnet14_epochs-3-seed4", "resnet14", 3, 4],
    ]);
  });

  it("gives another kind of method its own defaults", () => {
    const [, kd, review] = rows({ "method.kind": ["kd", "review"] });
    expect(kd!.method).to.include({ kind: "kd", temperature: 4 });
    expect(review!.method).to.include({ kind: "review", fusion: "abf" }).and.not.have.property("temperature");
  });

  it("names directories that are unique and valid whatever the values are", () => {
    const ids = rows({ "training.schedule.milestones": [[1, 2], [3]], "student.weights": ["a/b.pth", "A/B.pth"] }, {
      training: { schedule: { kind: "multi-step" } },
    }).map(({ id }) => id);
    expect(new Set(ids.map((id) => id.toLowerCase())).size).to.equal(ids.length);
    for (const id of ids) expect(id).to.match(/^[\w.+-]{1,140}$/);
  });

  it("accepts its own output unchanged", () => {
    const config = grid({ "method.weight": [1, 2], "training.batchSize": [16, 32] });
    expect(parseStudyConfig(config)).to.deep.equal(config);
  });

  for (const [problem, vary, expected] of [
    ["a misspelled setting", { "method.wieght": [1] }, /received "method\.wieght"\. Did you mean "method\.weight"\?/],
    ["a setting without its part", { temperature: [1] },
      /received "temperature"\. Did you mean "method\.temperature"\?/],
    ["a part that is not varied", { "data.limitTrain": [1] }, /expected paths of method, student or training/],
    ["a value out of range", { "method.weight": [1, -1] },
      /invalid method\.weight in the study's configuration with weight -1: expected .* received -1/],
    ["a value of another type", { "training.epochs": ["many"] }, /training\.epochs .* with epochs many: .*"many"/],
    ["a combination that no method has", { "method.kind": ["kd", "review"], "method.temperature": [2] },
      /with kind review, temperature 2: .*received "temperature"/],
    ["the seed", { "training.seed": [1] }, /Pass seeds instead/],
    ["a setting of the machine", { "training.threads": [1, 2] }, /All its values give the same results/],
    ["a value that is there twice", { "method.weight": [1, 1] }, /expected values that differ from each other/],
    ["no values", { "method.weight": [] }, /expected one or more values/],
    ["no setting", {}, /expected one or more settings with their values/],
    ["more combinations than anything trains", { "method.weight": Array.from({ length: 101 }, (_, i) => i),
      "method.temperature": Array.from({ length: 100 }, (_, i) => i + 1) },
      /expected at most 10000 combinations, received 10100/],
  ] as const) {
    it(`rejects ${problem}`, async () => {
      const { message } = await failureOf("CONFIG_INVALID", () => grid(vary as unknown as Record<string, unknown[]>));
      expect(message).to.match(expected);
    });
  }

  it("rejects students that do not exist, or that are judged by another metric", async () => {
    const { message } = await failureOf("UNKNOWN_NAME", () => rows({ "student.name": ["resnet8", "resnet9"] }));
    expect(message).to.match(/invalid student: .*received "resnet9"; did you mean "resnet8"\?/);
    const detectors = { teacher: { name: "mask-rcnn-resnet50-fpn", weights: "t.pth" },
      student: { name: "retinanet-resnet18-fpn" } };
    const mixed = await failureOf("CONFIG_INVALID",
      () => rows({ "student.name": ["retinanet-resnet18-fpn", "mask-rcnn-resnet18-fpn"] }, detectors));
    expect(mixed.message).to.include("expected students of one metric").and.include("mask-rcnn-resnet18-fpn");
  });

  it("rejects sizes of batches that a preset's learning rate was scaled to", async () => {
    const { message } = await failureOf("CONFIG_INVALID",
      () =>
        parseStudyConfig({ kind: "grid", preset: "resnet56-resnet20", linearScaling: true,
          data: { kind: "cifar100", root: "data" }, vary: { "training.batchSize": [64, 128] } }));
    expect(message).to.include("linearScaling").and.include("training.optimizer.learningRate");
  });
});
