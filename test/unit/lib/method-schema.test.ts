import { expect } from "chai";
import { parseRunConfig, type ReviewKdError, type Settings } from "../../../lib/index.js";
import { Method } from "../../../lib/config/schemas/method.js";
import { parse } from "../../../lib/config/validation.js";
import { failureOf } from "../../support/errors.js";

const rejection = (method: unknown): Promise<ReviewKdError> => failureOf("INVALID_ARGUMENT", () => parse(Method, method, "method"));
const KINDS = ["kd", "dkd", "single-layer", "multi-layer", "review-stage", "review-pairs", "review-fused", "review"];

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
    expect(Method.parse({ kind: "kd" })).to.deep.equal({ kind: "kd", weight: 1, warmupEpochs: 0, warmupFrom: 0, temperature: 4, teacherMode: "eval" });
    expect(Method.parse({ kind: "dkd" })).to.deep.equal({
      kind: "dkd", weight: 1, warmupEpochs: 20, warmupFrom: 0, temperature: 4, alpha: 1, beta: 8, teacherMode: "eval",
    });
  });

  it("applies the defaults of each term of a sum, with one teacher mode", () => {
    expect(Method.parse({ kind: "sum", of: [{ kind: "kd", weight: 0.5 }], teacherMode: "train" })).to.deep.equal({
      kind: "sum", of: [{ kind: "kd", weight: 0.5, warmupEpochs: 0, warmupFrom: 0, temperature: 4 }], teacherMode: "train",
    });
  });

  for (const [what, method, message] of [
    ["an unknown kind, with the nearest", { kind: "review-pair" },
      'method: expected "kd", "dkd", "single-layer", "multi-layer", "review-stage", "review-pairs", "review-fused", "review" or "sum" for kind, ' +
      'got "review-pair"; did you mean "review-pairs"?'],
    ["an unknown option, with the nearest", { kind: "kd", temperatur: 2 },
      'method: unknown key "temperatur": expected kind, weight, warmupEpochs, warmupFrom, temperature, teacherMode; did you mean "temperature"?'],
    ["a negative temperature", { kind: "dkd", temperature: -4 }, "method: expected a finite number > 0 for temperature, got -4"],
    ["an invalid start of the warm-up", { kind: "review", warmupFrom: 2 }, "method: expected 0 or 1 for warmupFrom, got 2"],
    ["stage 0", { kind: "single-layer", stage: 0 },
      "method: expected a whole number ≥ 1, counted from the shallowest of the matched stages for stage, got 0"],
    ["one weight for all stages", { kind: "multi-layer", stageWeights: 2 },
      "method: expected a number ≥ 0 for each matched stage, shallow to deep for stageWeights, got 2"],
    ["a negative stage weight", { kind: "multi-layer", stageWeights: [1, -1] }, "method: expected a finite number ≥ 0 for stageWeights[1], got -1"],
    ["an empty sum", { kind: "sum", of: [] }, "method: expected an array of one or more methods for of, got an array of 0 elements"],
    ["a sum of nothing", { kind: "sum" }, "method: expected an array of one or more methods for of, got nothing"],
    ["a sum within a sum", { kind: "sum", of: [{ kind: "kd" }, { kind: "sum", of: [{ kind: "kd" }] }] },
      'method: expected "kd", "dkd", "single-layer", "multi-layer", "review-stage", "review-pairs", "review-fused" or "review" for of[1].kind, ' +
      'got "sum"; a sum cannot contain another sum: list the terms of the inner sum directly'],
    ["a teacher mode of one term", { kind: "sum", of: [{ kind: "kd", teacherMode: "eval" }] },
      'method: unknown key "teacherMode" in of[0]: expected kind, weight, warmupEpochs, warmupFrom, temperature'],
  ] as const) {
    it(`rejects ${what}`, async () => {
      expect((await rejection(method)).message).to.equal(message);
    });
  }
});

describe("a method in a run configuration", () => {
  const config = (method: Settings): Settings =>
    ({ task: "distill", teacher: { name: "resnet56", weights: "t" }, student: { name: "resnet20" }, method });

  it("may be a sum, which replaces the preset's method as a whole", () => {
    const { method } = parseRunConfig({ ...config({ kind: "sum", of: [{ kind: "kd" }] }), preset: "resnet32x4-resnet8x4", data: { kind: "synthetic" } }) as {
      method: unknown;
    };
    expect(method).to.deep.equal(Method.parse({ kind: "sum", of: [{ kind: "kd" }] }));
  });

  it("is rejected with the path to the term", async () => {
    const method = { kind: "sum", of: [{ kind: "review" }, { kind: "kd", weight: -1 }, { kind: "dkd", temprature: 2 }] };
    const { message } = await failureOf("CONFIG_INVALID", () => parseRunConfig(config(method)));
    expect(message.split("\n")).to.deep.equal([
      "the run configuration: 2 problems",
      "  - expected a finite number ≥ 0 for method.of[1].weight, got -1",
      '  - unknown key "temprature" in method.of[2]: expected kind, weight, warmupEpochs, warmupFrom, temperature, alpha, beta; did you mean "temperature"?',
    ]);
  });
});
