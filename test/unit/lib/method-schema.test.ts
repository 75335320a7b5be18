import { expect } from "chai";
import { parseRunConfig, type ReviewKdError, type Settings } from "../../../lib/index.js";
import { Method } from "../../../lib/config/schemas/method.js";
import { parse } from "../../../lib/config/validation.js";
import { failureOf } from "../../support/errors.js";

const rejection = (method: unknown): Promise<ReviewKdError> =>
  failureOf("INVALID_ARGUMENT", () => parse(Method, method, "method"));
const KINDS = ["kd", "dkd", "single-layer", "multi-layer", "review-stage", "review-pairs", "review-fused", "review"];

const LIST_THEM =
  'List the terms, such as of: [{ kind: "review" }, { kind: "kd" }]; on the command line in a file for --config.';

describe("the schema of methods", () => {
  it("has a warm-up of 20 epochs for feature losses and dkd, and none for kd", () => {
    const warmups = KINDS.map((kind) => [kind, (Method.parse({ kind }) as { warmupEpochs: number }).warmupEpochs]);
    expect(warmups).to.deep.equal(KINDS.map((kind) => [kind, kind === "kd" ? 0 : 20]));
  });

  it("compares fused maps by HCL, others by mean squared error", () => {
    const distances = KINDS.slice(2).map((kind) => (Method.parse({ kind }) as { distance: string }).distance);
    expect(distances).to.deep.equal(["l2", "l2", "l2", "l2", "hcl", "hcl"]);
  });

  it("has the published temperatures and weights for soft targets", () => {
    expect(Method.parse({ kind: "kd" })).to.deep.equal({ kind: "kd", weight: 1, warmupEpochs: 0, warmupFrom: 0,
      temperature: 4, teacherMode: "eval" });
    expect(Method.parse({ kind: "dkd" })).to.deep.equal({
      kind: "dkd",
      weight: 1,
      warmupEpochs: 20,
      warmupFrom: 0,
      temperature: 4,
      alpha: 1,
      beta: 8,
      teacherMode: "eval",
    });
  });

  it("applies the defaults of each term of a sum, with one teacher mode", () => {
    expect(Method.parse({ kind: "sum", of: [{ kind: "kd", weight: 0.5 }], teacherMode: "train" })).to.deep.equal({
      kind: "sum",
      of: [{ kind: "kd", weight: 0.5, warmupEpochs: 0, warmupFrom: 0, temperature: 4 }],
      teacherMode: "train",
    });
  });

  for (const [what, method, message] of [
    ["an unknown kind, with the nearest", { kind: "review-pair" },
      'invalid kind in method: expected "kd", "dkd", "single-layer", "multi-layer", "review-stage", "review-pairs", "review-fused", "review" or "sum", ' +
      'received "review-pair". Did you mean "review-pairs"?'],
    ["an unknown option, with the nearest", { kind: "kd", temperatur: 2 },
      'invalid method: expected one of the keys kind, weight, warmupEpochs, warmupFrom, temperature, teacherMode, received "temperatur". Did you mean "temperature"?'],
    ["a negative temperature", { kind: "dkd", temperature: -4 },
      "invalid temperature in method: expected a finite number > 0, received -4."],
    ["a warm-up from elsewhere", { kind: "review", warmupFrom: 2 },
      "invalid warmupFrom in method: expected 0 or 1, received 2."],
    ["stage 0", { kind: "single-layer", stage: 0 },
      "invalid stage in method: expected a whole number ≥ 1, counted from the shallowest of the matched stages, received 0."],
    ["one weight for all stages", { kind: "multi-layer", stageWeights: 2 },
      "invalid stageWeights in method: expected a number ≥ 0 for each matched stage, shallow to deep, received 2."],
    ["a negative stage weight", { kind: "multi-layer", stageWeights: [1, -1] },
      "invalid stageWeights[1] in method: expected a finite number ≥ 0, received -1."],
    ["an empty sum", { kind: "sum", of: [] },
      `invalid of in method: expected an array of one or more methods, received an array of 0 elements. ${LIST_THEM}`],
    ["a sum of nothing", { kind: "sum" },
      `invalid of in method: expected an array of one or more methods, received nothing. ${LIST_THEM}`],
    ["a sum within a sum", { kind: "sum", of: [{ kind: "kd" }, { kind: "sum", of: [{ kind: "kd" }] }] },
      'invalid of[1].kind in method: expected "kd", "dkd", "single-layer", "multi-layer", "review-stage", "review-pairs", "review-fused" or "review", ' +
      'received "sum". The terms of a sum are single methods: add the terms of an inner sum to the outer one.'],
    ["a teacher mode of one term", { kind: "sum", of: [{ kind: "kd", teacherMode: "eval" }] },
      'invalid of[0] in method: expected one of the keys kind, weight, warmupEpochs, warmupFrom, temperature, received "teacherMode".'],
  ] as const) {
    it(`rejects ${what}`, async () => {
      expect((await rejection(method)).message).to.equal(message);
    });
  }
});

describe("a method in a run configuration", () => {
  const config = (method: Settings): Settings => ({ task: "distill", teacher: { name: "resnet56", weights: "t" },
    student: { name: "resnet20" }, method });

  it("may be a sum, which replaces the preset's method as a whole", () => {
    const { method } = parseRunConfig({ ...config({ kind: "sum", of: [{ kind: "kd" }] }),
      preset: "resnet32x4-resnet8x4", data: { kind: "synthetic" } }) as {
        method: unknown;
      };
    expect(method).to.deep.equal(Method.parse({ kind: "sum", of: [{ kind: "kd" }] }));
  });

  it("is rejected with the path to the term", async () => {
    const method = { kind: "sum",
      of: [{ kind: "review" }, { kind: "kd", weight: -1 }, { kind: "dkd", temprature: 2 }] };
    const { message } = await failureOf("CONFIG_INVALID", () => parseRunConfig(config(method)));
    expect(message.split("\n")).to.deep.equal([
      "invalid run configuration: 2 problems",
      "  - method.of[1].weight: expected a finite number ≥ 0, received -1.",
      '  - method.of[2]: expected one of the keys kind, weight, warmupEpochs, warmupFrom, temperature, alpha, beta, received "temprature". Did you mean "temperature"?',
    ]);
  });
});
