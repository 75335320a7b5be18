import { readdirSync } from "node:fs";
import { expect } from "chai";
import { z } from "zod";
import { DataSource, StoredDataSource } from "../../../lib/config/schemas/data.js";
import { Method } from "../../../lib/config/schemas/method.js";
import { RunConfig } from "../../../lib/config/schemas/run-config.js";
import { EpochRecord, FitProgress } from "../../../lib/config/schemas/run-record.js";
import { StepOptions, TrainingOptions } from "../../../lib/config/schemas/training.js";

const directory = new URL("../../../lib/config/schemas/", import.meta.url);

async function allSchemas(): Promise<[name: string, schema: z.ZodType][]> {
  const found: [string, z.ZodType][] = [];
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  for (const file of files) {
    const exported = (await import(new URL(file, directory).href)) as Record<string, unknown>;
    for (const [name, value] of Object.entries(exported)) {
      if (value instanceof z.ZodType) found.push([`${file} ${name}`, value]);
    }
  }
  return found;
}

describe("the schemas", () => {
  /** Objects in which a task names numbers. */
  const NAMED_BY_TASK = ["Losses", "ClassScore", "Evaluation", "EpochProgress", "EpochSummary", "ProgressEvent",
    "BestEpoch"];

  it("refuse unknown keys wherever they describe an object, but for the numbers that a task names", async () => {
    const objects = (await allSchemas()).filter((entry): entry is [string, z.ZodObject] =>
      entry[1] instanceof z.ZodObject
    );
    expect(objects.length).to.be.above(20);
    for (const [name, schema] of objects) {
      const isNamed = NAMED_BY_TASK.includes(name.split(" ").at(-1) ?? "");
      expect(schema.def.catchall, name).to.be.instanceOf(isNamed ? z.ZodCustom : z.ZodNever);
    }
  });

  it("discriminate unions of objects by one key", async () => {
    for (const [name, schema] of await allSchemas()) {
      if (schema instanceof z.ZodUnion && schema.options.some((option) => option instanceof z.ZodObject)) {
        expect(schema, name).to.be.instanceOf(z.ZodDiscriminatedUnion);
      }
    }
  });

  it("accept their own output unchanged", () => {
    for (const [schema, input] of [
      [TrainingOptions, {}],
      [StepOptions, {}],
      [Method, { kind: "review" }],
      [Method, { kind: "sum", of: [{ kind: "kd" }, { kind: "single-layer", stage: 2 }] }],
      [DataSource, { kind: "synthetic" }],
      [RunConfig, { task: "train", model: { name: "resnet20" } }],
      [RunConfig, { task: "distill", teacher: { name: "resnet56", weights: "t" }, student: { name: "resnet20" } }],
    ] as const) {
      const filled = schema.parse(input);
      expect(schema.parse(filled)).to.deep.equal(filled);
    }
  });

  it("default to the official CIFAR training", () => {
    expect(TrainingOptions.parse({})).to.deep.include({
      epochs: 240,
      batchSize: 128,
      optimizer: { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 5e-4, groups: [] },
      schedule: { kind: "multi-step", milestones: [150, 180, 210], factor: 0.1, warmupEpochs: 0 },
    });
    expect(Method.parse({ kind: "review" })).to.deep.equal({
      kind: "review",
      weight: 1,
      warmupEpochs: 20,
      teacherMode: "eval",
      teacherFeatures: "before",
      studentFeatures: "after",
      warmupFrom: 0,
      distance: "hcl",
      fusion: "abf",
    });
  });

  it("let a file specify every data set except those that programs pass", () => {
    const kinds = (schema: { options: readonly { shape: { kind: { value: string } } }[] }): string[] =>
      schema.options.map(({ shape }) => shape.kind.value);
    expect(kinds(StoredDataSource)).to.deep.equal(
      kinds(DataSource).filter((kind) => !["arrays", "stream", "boxes"].includes(kind)),
    );
  });

  it("record everything of an epoch event except type and remaining time", () => {
    expect(Object.keys(EpochRecord.shape)).to.have.members(["epoch", "epochs", "train", "test", "learningRate", "best",
      "isBest", "elapsedSeconds"]);
  });

  it("reject incomplete progress of a checkpoint", () => {
    const whole = { epochsDone: 1, trained: null, last: { top1: 1, top5: 2, loss: 3, samples: 4 },
      best: { epoch: 0, top1: 1 }, elapsedSeconds: 1 };
    expect(FitProgress.parse(whole)).to.deep.equal(whole);
    for (const key of Object.keys(whole)) {
      expect(FitProgress.safeParse({ ...whole, [key]: undefined }).success, key).to.equal(false);
    }
  });
});
