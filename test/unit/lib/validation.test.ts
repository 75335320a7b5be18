import { expect } from "chai";
import type { z } from "zod";
import { ReviewKdError } from "../../../lib/errors.js";
import { nearestName } from "../../../lib/config/nearest-name.js";
import { DataSource } from "../../../lib/config/schemas/data.js";
import { TrainingOptions } from "../../../lib/config/schemas/training.js";
import { parse, valueText } from "../../../lib/config/validation.js";

function failure(schema: z.ZodType, value: unknown, what = "training options"): ReviewKdError {
  try {
    parse(schema, value, what);
  } catch (error) {
    if (error instanceof ReviewKdError) return error;
    throw error;
  }
  throw new Error("the value was accepted");
}

describe("parse", () => {
  it("applies the defaults of omitted options", () => {
    const options = parse(TrainingOptions, { epochs: 3, optimizer: { kind: "sgd", learningRate: 0.2 } }, "training options");
    expect(options.epochs).to.equal(3);
    expect(options.optimizer).to.deep.equal({ kind: "sgd", learningRate: 0.2, momentum: 0.9, nesterov: true, weightDecay: 5e-4, groups: [] });
  });

  for (const value of [NaN, Infinity, -Infinity]) {
    it(`rejects ${value} where a number is expected`, () => {
      const error = failure(TrainingOptions, { optimizer: { kind: "sgd", learningRate: value } });
      expect(error.code).to.equal("INVALID_ARGUMENT");
      expect(error.message).to.equal(`training options: expected a finite number > 0 for optimizer.learningRate, got ${value}`);
    });
  }

  it("describes the accepted integers", () => {
    expect(failure(TrainingOptions, { epochs: 1.5 }).message).to.equal("training options: expected a whole number > 0 for epochs, got 1.5");
    expect(failure(TrainingOptions, { epochs: "ten" }).message).to.contain('got "ten"');
    expect(failure(TrainingOptions, { epochs: NaN }).message).to.contain("expected a whole number > 0 for epochs, got NaN");
  });

  it("describes both bounds of a range", () => {
    expect(failure(TrainingOptions, { optimizer: { kind: "sgd", momentum: 1 } }).message)
      .to.contain("expected a finite number ≥ 0 and < 1 for optimizer.momentum, got 1");
  });

  it("names the nearest known key and all known keys", () => {
    const error = failure(TrainingOptions, { optimizer: { kind: "sgd", learningrate: 0.1 } });
    expect(error.message).to.contain('unknown key "learningrate" in optimizer');
    expect(error.message).to.contain('did you mean "learningRate"?');
    expect(error.valid).to.include.members(["learningRate", "momentum"]);
  });

  it("suggests nothing for a key without a near match", () => {
    const { message } = failure(TrainingOptions, { colour: "blue" });
    expect(message).to.contain('unknown key "colour": expected optimizer,');
    expect(message).not.to.contain("did you mean");
  });

  it("lists the names of a choice and the nearest of them", () => {
    const error = failure(TrainingOptions, { precision: "float23" });
    expect(error.message).to.equal('training options: expected "float32" or "bfloat16" for precision, got "float23"; did you mean "float32"?');
    expect(error.valid).to.deep.equal(["float32", "bfloat16"]);
  });

  it("lists the kinds of a union and the nearest of them", () => {
    const error = failure(TrainingOptions, { schedule: { kind: "cosin" } });
    expect(error.message).to.contain('expected "constant", "multi-step" or "cosine" for schedule.kind, got "cosin"; did you mean "cosine"?');
    expect(error.valid).to.deep.equal(["constant", "multi-step", "cosine"]);
  });

  it("lists the keys of the selected kind", () => {
    const { valid } = failure(TrainingOptions, { schedule: { kind: "cosine", milestones: [1] } });
    expect(valid).to.deep.equal(["kind", "finalScale", "warmupEpochs"]);
  });

  it("lists every problem of one value", () => {
    const { message } = failure(TrainingOptions, { epochs: 0, batchSize: -1, seed: 0.5 });
    expect(message.split("\n")).to.deep.equal([
      "training options: 3 problems",
      "  - expected a whole number > 0 for epochs, got 0",
      "  - expected a whole number > 0 for batchSize, got -1",
      "  - expected a whole number ≥ 0 for seed, got 0.5",
    ]);
  });

  it("reports a missing value, and mentions null if it is accepted", () => {
    expect(failure(DataSource, { kind: "cifar100" }, "data").message).to.equal(
      "data: expected the directory of the data set's .bin files (`reviewkd data fetch` downloads them) for root, got nothing",
    );
    expect(failure(TrainingOptions, { clipNorm: 0 }).message).to.contain("expected a finite number > 0, or null for clipNorm, got 0");
  });

  it("describes the whole value", () => {
    expect(failure(TrainingOptions, null).message).to.equal("training options: expected an object for the whole value, got null");
  });

  it("lists the accepted classes of a value", () => {
    const arrays = { kind: "arrays", numClasses: 2, height: 1, width: 1, test: { images: new Uint8Array(3), labels: [0] } };
    const { message } = failure(DataSource, { ...arrays, train: { images: new Int8Array(3), labels: [0] } }, "data");
    expect(message).to.equal("data: expected a Uint8Array or a Float32Array for train.images, got an Int8Array of 3 elements");
  });

  it("points at one element of an array", () => {
    expect(failure(TrainingOptions, { schedule: { kind: "multi-step", milestones: [1, -2] } }).message)
      .to.contain("for schedule.milestones[1], got -2");
  });

  it("uses the caller's error code", () => {
    expect(() => parse(TrainingOptions, { epochs: 0 }, "run.yaml", "CONFIG_INVALID")).to.throw(ReviewKdError).with.property("code", "CONFIG_INVALID");
  });
});

describe("nearestName", () => {
  it("ignores letter case", () => {
    expect(nearestName("ResNet56", ["resnet20", "resnet56"])).to.equal("resnet56");
  });

  it("finds nothing among distant names", () => {
    expect(nearestName("vgg", ["resnet20"])).to.equal(undefined);
  });
});

describe("valueText", () => {
  it("truncates long text", () => {
    expect(valueText("x".repeat(500))).to.have.length.below(70);
  });

  it("describes values that it cannot print", () => {
    expect([undefined, null, [1, 2], { a: 1 }, new Map(), 3n, () => 1, Object.create(null)].map(valueText)).to.deep.equal([
      "nothing", "null", "an array of 2 elements", "an object", "a Map", "3n", "a function", "an object",
    ]);
  });
});
