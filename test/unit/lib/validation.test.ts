import { runInNewContext } from "node:vm";
import { expect } from "chai";
import { z } from "zod";
import { ReviewKdError } from "../../../lib/errors.js";
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
    const options = parse(TrainingOptions, { epochs: 3, optimizer: { kind: "sgd", learningRate: 0.2 } },
      "training options");
    expect(options.epochs).to.equal(3);
    expect(options.optimizer).to.deep.equal({ kind: "sgd", learningRate: 0.2, momentum: 0.9, nesterov: true,
      weightDecay: 5e-4, groups: [] });
  });

  it("says that values throw when they are read, with a noun without its article", () => {
    const error = failure(z.strictObject({ a: z.number() }), { get a() {
      throw new Error("boom");
    } }, "the run configuration");
    expect(error.message).to.equal(
      "invalid run configuration: expected values that can be read, received one that throws: boom. Pass plain data.",
    );
  });

  for (const value of [NaN, Infinity, -Infinity]) {
    it(`rejects ${value} where a number is expected`, () => {
      const error = failure(TrainingOptions, { optimizer: { kind: "sgd", learningRate: value } });
      expect(error.code).to.equal("INVALID_ARGUMENT");
      expect(error.message).to.equal(
        `invalid optimizer.learningRate in training options: expected a finite number, received ${value}.`,
      );
    });
  }

  it("explains whole numbers", () => {
    expect(failure(TrainingOptions, { epochs: 1.5 }).message).to.equal(
      "invalid epochs in training options: expected a whole number, received 1.5.",
    );
    expect(failure(TrainingOptions, { epochs: "ten" }).message).to.contain('received "ten".');
    expect(failure(TrainingOptions, { epochs: NaN }).message).to.contain("expected a whole number, received NaN.");
  });

  it("states the bound that a number exceeds, and whether it must be whole", () => {
    const momentum = (value: number): string =>
      failure(TrainingOptions, { optimizer: { kind: "sgd", momentum: value } }).message;
    expect(momentum(1)).to.equal(
      "invalid optimizer.momentum in training options: expected a finite number < 1, received 1.",
    );
    expect(momentum(-1)).to.equal(
      "invalid optimizer.momentum in training options: expected a finite number ≥ 0, received -1.",
    );
    expect(failure(TrainingOptions, { epochs: -1 }).message).to.equal(
      "invalid epochs in training options: expected a whole number > 0, received -1.",
    );
  });

  it("names the nearest known key and all known keys", () => {
    const error = failure(TrainingOptions, { optimizer: { kind: "sgd", learningrate: 0.1 } });
    expect(error.message).to.contain(
      "invalid optimizer in training options: expected one of the keys kind, learningRate,",
    );
    expect(error.message).to.match(/, received "learningrate"\. Did you mean "learningRate"\?$/);
    expect(error.valid).to.include.members(["learningRate", "momentum"]);
  });

  it("suggests nothing for a key without a near match", () => {
    const { message } = failure(TrainingOptions, { colour: "blue" });
    expect(message).to.contain("invalid training options: expected one of the keys optimizer,");
    expect(message).not.to.contain("Did you mean");
  });

  it("lists the names of a choice and the nearest of them", () => {
    const error = failure(TrainingOptions, { precision: "float23" });
    expect(error.message).to.equal(
      'invalid precision in training options: expected "float32" or "bfloat16", received "float23". Did you mean "float32"?',
    );
    expect(error.valid).to.deep.equal(["float32", "bfloat16"]);
  });

  it("lists the kinds of a union and the nearest of them", () => {
    const error = failure(TrainingOptions, { schedule: { kind: "cosin" } });
    expect(error.message).to.contain(
      'invalid schedule.kind in training options: expected "constant", "multi-step" or "cosine", received "cosin". Did you mean "cosine"?',
    );
    expect(error.valid).to.deep.equal(["constant", "multi-step", "cosine"]);
  });

  it("lists the keys of the selected kind", () => {
    const { valid } = failure(TrainingOptions, { schedule: { kind: "cosine", milestones: [1] } });
    expect(valid).to.deep.equal(["kind", "finalScale", "warmupEpochs", "warmupSteps", "warmupFactor"]);
  });

  it("lists every problem of one value", () => {
    const { message } = failure(TrainingOptions, { epochs: 0, batchSize: -1, seed: 0.5 });
    expect(message.split("\n")).to.deep.equal([
      "invalid training options: 3 problems",
      "  - epochs: expected a whole number > 0, received 0.",
      "  - batchSize: expected a whole number > 0, received -1.",
      "  - seed: expected a whole number, received 0.5.",
    ]);
  });

  it("describes a missing value in the words of its schema", () => {
    expect(failure(DataSource, { kind: "cifar100" }, "data").message).to.equal(
      "invalid root in data: expected the directory of the data set's .bin files (`reviewkd data fetch` downloads them), received nothing.",
    );
    expect(failure(DataSource, { kind: "cifar100", root: "" }, "data").message).to.contain(
      "expected the directory of the data set's .bin files",
    );
  });

  it("describes the whole value", () => {
    expect(failure(TrainingOptions, null).message).to.equal(
      "invalid training options: expected an object, received null.",
    );
  });

  it("lists the accepted classes", () => {
    const arrays = { kind: "arrays", numClasses: 2, height: 1, width: 1,
      test: { images: new Uint8Array(3), labels: [0] } };
    const { message } = failure(DataSource, { ...arrays, train: { images: new Int8Array(3), labels: [0] } }, "data");
    expect(message).to.equal(
      "invalid train.images in data: expected a Uint8Array, a Uint8ClampedArray or a Float32Array, received an Int8Array of 3 elements.",
    );
  });

  it("points at one element of an array", () => {
    expect(failure(TrainingOptions, { schedule: { kind: "multi-step", milestones: [1, -2] } }).message)
      .to.contain("invalid schedule.milestones[1] in training options: expected");
  });

  it("uses the code that its caller passes", () => {
    expect(() => parse(TrainingOptions, { epochs: 0 }, "run.yaml", "CONFIG_INVALID")).to.throw(ReviewKdError).with
      .property("code", "CONFIG_INVALID");
  });
});

describe("parse, of typed arrays", () => {
  const schema = z.strictObject({ shape: z.array(z.int()).readonly(), means: z.tuple([z.number(), z.number()]) });
  const means = Float64Array.of(0.5, 0.25);

  it("takes them for arrays of numbers, of another realm too", () => {
    const expected = { shape: [2, 3], means: [0.5, 0.25] };
    expect(parse(schema, { shape: Int32Array.of(2, 3), means }, "options")).to.deep.equal(expected);
    const foreign: unknown = runInNewContext("({ shape: Int32Array.of(2, 3), means: [0.5, 0.25] })");
    expect(parse(schema, foreign, "options")).to.deep.equal(expected);
  });

  it("leaves them where the schema takes them", () => {
    const views = z.strictObject({ view: z.custom<Float64Array>((value) => value instanceof Float64Array) });
    expect(parse(views, { view: means }, "options").view).to.equal(means);
  });

  it("names the element that is wrong, or the class where no numbers are expected", () => {
    expect(failure(schema, { shape: Float32Array.of(2, 0.5), means }, "options").message).to.equal(
      "invalid shape[1] in options: expected a whole number, received 0.5.",
    );
    expect(failure(z.strictObject({ name: z.string() }), { name: means }, "options").message).to.equal(
      "invalid name in options: expected a string, received a Float64Array of 2 elements.",
    );
  });
});

describe("parse, of misspelled keys", () => {
  const messageOf = (value: unknown): string => {
    try {
      parse(TrainingOptions, value, "training options");
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  };

  it("names the key by its usual names", () => {
    for (const [key, meant] of [["batch_size", "batchSize"], ["bs", "batchSize"], ["epoch", "epochs"], ["BatchSize",
      "batchSize"]])
      expect(messageOf({ [key as string]: 1 })).to.match(
        new RegExp(`received "${key}"\\. Did you mean "${meant}"\\?$`),
      );
  });

  it("names the path of a key that belongs to an object inside", () => {
    for (const [key, meant] of [["lr", "optimizer.learningRate"], ["weight_decay", "optimizer.weightDecay"], [
      "milestones",
      "schedule.milestones",
    ], ["gamma", "schedule.factor"]])
      expect(messageOf({ [key as string]: 1 })).to.include(`received "${key}". Did you mean "${meant}"?`);
  });

  it("has the list of many keys in valid alone", () => {
    try {
      parse(TrainingOptions, { fooo: 1 }, "training options", "INVALID_ARGUMENT", ["runDirectory"]);
      expect.fail("nothing was thrown");
    } catch (error) {
      const { message, valid } = error as ReviewKdError;
      expect(message).to.match(
        /^invalid training options: expected one of the keys \w+, \w+, \w+, … \(\d+ in all\), received "fooo"\.$/,
      );
      expect(valid).to.include.members(["batchSize", "checkpointMinutes", "runDirectory"]);
    }
  });
});

describe("valueText", () => {
  it("leaves the user and the password of a URL out", () => {
    expect(valueText("redis://user:p@ss@host:6379/first")).to.equal('"redis://…@host:6379/first"');
    expect(valueText("redis://:my pass@host")).to.equal('"redis://…@host"');
    expect(valueText("redis://host:6379")).to.equal('"redis://host:6379"');
    expect(valueText("someone@host")).to.equal('"someone@host"');
  });

  it("truncates long text", () => {
    expect(valueText("x".repeat(500))).to.have.length.below(70);
  });

  it("describes values that it cannot print", () => {
    expect([undefined, null, [1, 2], { a: 1 }, new Map(), 3n, () => 1, Object.create(null)].map(valueText)).to.deep
      .equal([
        "nothing",
        "null",
        "an array of 2 elements",
        "an object",
        "a Map",
        "3n",
        "a function",
        "an object",
      ]);
    const unread = new Proxy([1], { get: () => {
      throw new Error("trap");
    } });
    expect(valueText(unread)).to.equal("an array");
  });
});
