import { expect } from "chai";
import { ReviewKdError } from "../../../../lib/errors.js";
import { parseStudyConfig } from "../../../../lib/study/plan/study-config.js";

const PAIR = { teacher: { name: "resnet14" }, student: { name: "resnet8" } };

function rejection(input: object): ReviewKdError {
  try {
    parseStudyConfig(input as Parameters<typeof parseStudyConfig>[0]);
  } catch (error) {
    if (error instanceof ReviewKdError) return error;
    throw error;
  }
  throw new Error("missing rejection: the configuration was accepted");
}

describe("parseStudyConfig", () => {
  it("defaults to one seed, or to three for a study of seeds", () => {
    expect(parseStudyConfig({ kind: "ablation", ...PAIR }).seeds).to.deep.equal([0]);
    expect(parseStudyConfig({ kind: "stages", ...PAIR }).seeds).to.deep.equal([0]);
    expect(parseStudyConfig({ kind: "seeds", ...PAIR }).seeds).to.deep.equal([0, 1, 2]);
  });

  it("accepts its own output unchanged", () => {
    for (const kind of ["ablation", "stages", "seeds"] as const) {
      const filled = parseStudyConfig({ kind, ...PAIR });
      expect(parseStudyConfig(filled)).to.deep.equal(filled);
    }
  });

  it("takes networks, training and the configurable method settings from a preset", () => {
    const data = { kind: "cifar100", root: "data" } as const;
    const preset = "resnet56-resnet20-rerun";
    const ablation = parseStudyConfig({ kind: "ablation", preset, data });
    expect(ablation).to.deep.include({ teacher: { name: "resnet56" }, student: { name: "resnet20" } });
    expect(ablation.method).to.deep.equal({
      weight: 0.7,
      warmupEpochs: 20,
      warmupFrom: 0,
      teacherFeatures: "before",
      studentFeatures: "after",
      teacherMode: "eval",
    });
    expect(ablation.training).to.include({ epochs: 240, batchSize: 128 }).and.not.to.have.property("seed");
    expect(parseStudyConfig({ kind: "stages", preset, data, method: { distance: "hcl" } }).method).to.include({
      weight: 0.7,
      distance: "hcl",
    });
    expect(parseStudyConfig({ kind: "seeds", preset, data }).method).to.include({ kind: "review", weight: 0.7,
      fusion: "abf" });
    expect(parseStudyConfig({ kind: "seeds", preset, data, method: { kind: "kd" } }).method).to.not.have.property(
      "fusion",
    );
  });

  describe("of detectors", () => {
    const student = { name: "retinanet-mobilenetv2-fpn" };
    const teacher = { name: "retinanet-resnet18-fpn" };

    it("has their defaults of data, training and method", () => {
      for (const kind of ["ablation", "stages", "seeds"] as const) {
        const config = parseStudyConfig({ kind, teacher, student });
        expect(config.data.kind).to.equal("scenes");
        expect(config.training).to.deep.include({ epochs: 12, batchSize: 8, evaluationBatchSize: 8 });
        expect(config.training.optimizer).to.include({ learningRate: 0.01, nesterov: false, normWeightDecay: 0 });
        expect(config.training.schedule).to.include({ kind: "cosine", warmupEpochs: 0.5 });
        expect(config.method).to.include({ weight: 1, warmupEpochs: 0 });
        expect(parseStudyConfig(config)).to.deep.equal(config);
      }
      const { method, training } = parseStudyConfig({ kind: "ablation", teacher, student, method: { warmupEpochs: 2 },
        training: { epochs: 3 } });
      expect(method).to.include({ warmupEpochs: 2 });
      expect(training.epochs).to.equal(3);
    });

    it("lets a teacher that the study trains resize images as the student does, unless it has other sizes", () => {
      const small = { ...student, detection: { minSize: 320, maxSize: 480 } };
      const detectionOf = (own: object): unknown =>
        parseStudyConfig({ kind: "seeds", teacher: { ...teacher, ...own }, student: small }).teacher.detection;
      expect(detectionOf({})).to.deep.equal({ minSize: 320, maxSize: 480 });
      expect(detectionOf({ detection: { minSize: 640 } })).to.deep.equal({ minSize: 640, maxSize: 480 });
      expect(detectionOf({ weights: "t.safetensors" })).to.equal(undefined);
      expect(parseStudyConfig({ kind: "seeds", teacher, student }).teacher).to.deep.equal(teacher);
    });
  });

  for (const [problem, input, expected] of [
    ["an unknown kind", { kind: "seed", ...PAIR },
      /expected "ablation", "stages", "seeds" or "grid", received "seed"\. Did you mean "seeds"\?/],
    ["a seed that is there twice", { kind: "seeds", ...PAIR, seeds: [1, 2, 1] },
      /invalid seeds in .*: expected seeds that differ from each other/],
    ["no seed", { kind: "seeds", ...PAIR, seeds: [] }, /invalid seeds in .*: expected one or more whole numbers ≥ 0/],
    ["a seed of its training", { kind: "ablation", ...PAIR, training: { seed: 3 } },
      /invalid training in .*, received "seed"/],
    ["what an ablation varies", { kind: "ablation", ...PAIR, method: { fusion: "sum" } },
      /invalid method in .*, received "fusion"/],
    ["a stage of a study of stages", { kind: "stages", ...PAIR, method: { stage: 1 } },
      /invalid method in .*, received "stage"/],
    ["no student", { kind: "stages", teacher: PAIR.teacher }, /invalid student in /],
    ["no object", "ablation", /expected an object/],
  ] as const) {
    it(`rejects ${problem}`, () => {
      const { code, message } = rejection(input as object);
      expect(code).to.equal("CONFIG_INVALID");
      expect(message).to.match(expected);
    });
  }

  it("lists the presets for an unknown one", () => {
    const { code, message, valid } = rejection({ kind: "ablation", preset: "resnet56-resnet21" });
    expect(code).to.equal("UNKNOWN_NAME");
    expect(message).to.include('did you mean "resnet56-resnet20"?');
    expect(valid).to.include("resnet56-resnet20");
  });
});
