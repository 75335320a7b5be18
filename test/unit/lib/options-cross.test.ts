import { Command } from "commander";
import { expect } from "chai";
import { configChanges, configHash } from "../../../lib/runs/config-changes.js";
import { z } from "zod";
import { addSchemaFlags, schemaSettings, type FlagRow } from "../../../lib/cli/options/schema-flags.js";
import { optionsOf } from "../../../lib/config/options-of.js";
import { parseRunConfig, schemas } from "../../../lib/index.js";
import { addon } from "../../../lib/native.js";
import { createModel, createSession, fit, loadDataset } from "../../../lib/index.js";

describe("an option that is added to a schema", () => {
  const Extended = schemas.TrainConfig.extend({
    training: schemas.TrainingOptions.extend({
      labelSmoothing: z.number().min(0).lt(1).default(0.25),
      warmStart: z.boolean().default(true),
      norm: z.enum(["batch", "group"]).optional(),
    }).prefault({}),
  });
  const ROWS: readonly FlagRow[] = [
    { path: "training.labelSmoothing", flag: "--label-smoothing <x>", help: "share of the other classes" },
    { path: "training.warmStart", flag: "--no-warm-start", help: "start from random weights" },
    { path: "training.norm", flag: "--norm <kind>", help: "kind of normalization" },
  ];

  function commandOf(): Command {
    const command = new Command("train").exitOverride();
    addSchemaFlags(command, Extended, ROWS);
    return command;
  }

  it("becomes a flag by one row, with the schema's default in its help", () => {
    expect(commandOf().helpInformation()).to.match(
      /--label-smoothing <x>\s+share of the other classes \(default: 0\.25\)/,
    );
  });

  it("arrives at its path, and only if it was passed", () => {
    const settings = (...words: string[]): unknown =>
      schemaSettings(commandOf().parse(words, { from: "user" }).opts(), ROWS);
    expect(settings()).to.deep.equal({});
    expect(settings("--label-smoothing", "0.1", "--no-warm-start", "--norm", "group"))
      .to.deep.equal({ training: { labelSmoothing: 0.1, warmStart: false, norm: "group" } });
  });

  it("refuses what the schema's type refuses, naming the flag", () => {
    expect(() => commandOf().parse(["--label-smoothing", "much"], { from: "user" })).to.throw(
      /--label-smoothing.*number ≥ 0.*much/,
    );
    expect(() => commandOf().parse(["--norm", "layer"], { from: "user" })).to.throw(/--norm.*batch, group.*layer/);
  });

  it("is refused at a path that the schema lacks", () => {
    expect(() => {
      addSchemaFlags(new Command(), Extended, [{ path: "training.absent", flag: "--absent <x>", help: "" }]);
    }).to.throw(TypeError, "training.absent");
  });

  it("is passed on by name without a list of the others", () => {
    const Step = schemas.StepOptions.extend({ labelSmoothing: z.number().default(0.25) });
    const { labelSmoothing, optimizer } = optionsOf(Step, { ...schemas.TrainingOptions.parse({}),
      labelSmoothing: 0.1 });
    expect(labelSmoothing).to.equal(0.1);
    expect(optimizer.kind).to.equal("sgd");
  });
});

describe("options on their way to native code", () => {
  /** A value of its own for each setting, so that none can arrive by a default. */
  const TRAINING: schemas.StepOptions = {
    optimizer: { kind: "sgd", learningRate: 0.02, momentum: 0.8, nesterov: false, weightDecay: 1e-3, groups: [] },
    precision: "bfloat16",
    teacherPrecision: "float32",
    microBatches: 2,
    accumulateBatches: 1,
    clipNorm: 3,
    threads: 1,
    teacherThreads: 3,
    fused: false,
    syncBatchNorm: true,
    device: "cpu",
  };

  it("cross from fit to the session as one value, none left out", async () => {
    using data = await loadDataset({ kind: "synthetic", numClasses: 2, trainSamples: 4, testSamples: 2 });
    using model = await createModel("resnet8", { numClasses: 2 });
    const native = addon();
    const create = native.createSession.bind(native);
    let received: object | undefined;
    native.createSession = (target, options) => {
      received = options;
      return create(target, options);
    };
    try {
      for await (const event of fit({ ...TRAINING, model, data, epochs: 1, batchSize: 4 }))
        expect(event.type).to.be.a("string");
    } finally {
      native.createSession = create;
    }
    expect(Object.keys(TRAINING).sort(), "a value for every setting").to.deep.equal(
      Object.keys(schemas.StepOptions.shape).sort(),
    );
    expect(received).to.deep.equal(TRAINING);
  });

  it("name the field if one has another type than native code reads", async () => {
    using model = await createModel("resnet8", { numClasses: 2 });
    using session = await createSession({ model });
    expect(session.options.precision).to.equal("float32");
    const create = (): unknown =>
      addon().createSession(model.native, { ...schemas.StepOptions.parse({}), precision: 3 });
    expect(create).to.throw(/invalid options\.precision: expected a string, received 3/).with.property("code",
      "INVALID_ARGUMENT");
  });
});

describe("settings in which a resumed run may differ", () => {
  it("are marked in their schemas", () => {
    const config = parseRunConfig({ task: "train", model: { name: "resnet8" },
      data: { kind: "image-folder", root: "images" } });
    expect(config.training.threads).to.equal(null);
    const marked = Object.entries(schemas.TrainingOptions.shape).filter(([, schema]) =>
      schema.meta()?.["resumable"] === true
    ).map(([key]) => key);
    expect(marked.sort()).to.deep.equal(["checkpointEvery", "checkpointMinutes", "device", "keepCheckpoints",
      "teacherThreads", "threads"]);
  });

  it("do not include the labels of CIFAR-100, whose default is as before there was a choice", () => {
    const of = (labels: object): unknown =>
      parseRunConfig({ task: "train", model: { name: "resnet8" },
        data: { kind: "cifar100", root: "data", ...labels } });
    expect(configChanges(of({}), of({ labels: "fine" }))).to.deep.equal([]);
    expect(configHash(of({ labels: "fine" }))).to.equal(configHash(of({})));
    expect(configChanges(of({}), of({ labels: "coarse" })).map(({ key, now }) => [key, now])).to.deep.equal([[
      "data.labels",
      "coarse",
    ]]);
  });
});
