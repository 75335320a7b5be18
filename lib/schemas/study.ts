import { z } from "zod";
import { Count, NonNegativeNumber, PositiveCount, PositiveNumber, Seed } from "./common.js";
import { StoredDataSource } from "./data.js";
import { Evaluation, FitEvent, EndEvent, SystemInfo } from "./events.js";
import { Method, ReviewTerm, SingleLayerTerm, TeacherMode } from "./method.js";
import { NetworkConfig } from "./run-config.js";
import { TaskInfo } from "./task.js";
import { TrainingOptions } from "./training.js";

/**
 * What a study varies: `"ablation"` the design steps of the paper, `"stages"` which student stage learns from which teacher
 * stage, `"seeds"` nothing but the seed.
 */
export const StudyKind = z.enum(["ablation", "stages", "seeds"]);
export type StudyKind = z.infer<typeof StudyKind>;

const Seeds = z.array(Seed).min(1).describe("one or more whole numbers ≥ 0")
  .refine((seeds) => new Set(seeds).size === seeds.length, "seeds that differ from each other");

/** Settings of a method that a study hands to each of its distillations, where they have a meaning; the rest is the study's to vary. */
const COMMON = { weight: true, warmupEpochs: true, warmupFrom: true, teacherFeatures: true, studentFeatures: true } as const;

const AblationMethod = ReviewTerm.pick({ ...COMMON, midChannels: true }).extend({ teacherMode: TeacherMode.default("eval") });
const StagesMethod = SingleLayerTerm.pick({ ...COMMON, distance: true }).extend({ teacherMode: TeacherMode.default("eval") });

const shared = {
  /** Name of a preset whose settings stand wherever this configuration is silent. */
  preset: z.string().min(1).optional(),
  /** Without weights the study trains the teacher first. */
  teacher: NetworkConfig,
  student: NetworkConfig,
  data: StoredDataSource.prefault({ kind: "synthetic" }),
  /** Of each student, and of the teacher where the study trains it. */
  training: TrainingOptions.omit({ seed: true }).prefault({}),
  /** Where the teacher's own training differs from that. */
  teacherTraining: z.strictObject({ epochs: PositiveCount.optional(), learningRate: PositiveNumber.optional() }).prefault({}),
};

/** The six steps from a distance between stages of equal depth to the method of the paper, and the student alone. */
export const AblationConfig = z.strictObject({
  kind: z.literal("ablation"), ...shared, method: AblationMethod.prefault({}), seeds: Seeds.default([0]),
});

/** Each matched stage of the student under each matched stage of the teacher, by one distance; and the student alone. */
export const StagesConfig = z.strictObject({
  kind: z.literal("stages"), ...shared, method: StagesMethod.prefault({}), seeds: Seeds.default([0]),
});

/** The student alone and distilled, with each of the seeds. */
export const SeedsConfig = z.strictObject({
  kind: z.literal("seeds"), ...shared, method: Method.prefault({ kind: "review" }), seeds: Seeds.default([0, 1, 2]),
});

/** All that determines a study: what `study.json` of its directory holds. */
export const StudyConfig = z.discriminatedUnion("kind", [AblationConfig, StagesConfig, SeedsConfig]);
export type StudyConfig = z.infer<typeof StudyConfig>;
export type StudyConfigInput = z.input<typeof StudyConfig>;

/** One or more values of a figure; the sample standard deviation of a single one is `null`. */
export const Spread = z.strictObject({ mean: z.number(), deviation: NonNegativeNumber.nullable() });
export type Spread = z.infer<typeof Spread>;

/** What became of one training of a study. */
export const CellResult = z.strictObject({
  /** Also the name of its run directory in the study's. */
  id: z.string(),
  /** Of the condition that it belongs to; `"teacher"` for the teacher. */
  condition: z.string(),
  seed: Seed,
  /** `"waiting"`: not begun or not finished yet. */
  status: z.enum(["done", "failed", "waiting"]),
  /** Test results after the last epoch, and of the best one, which is chosen on the test set; `null` unless it is done. */
  last: Evaluation.nullable(),
  best: EndEvent.shape.best.nullable(),
  /** Of training and evaluation, pauses not counted. */
  seconds: NonNegativeNumber.nullable(),
  runDirectory: z.string(),
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
});
export type CellResult = z.infer<typeof CellResult>;

/** One row of a study: a way to train the student, over all seeds. Results are values of the task's primary metric, gains differences of it. */
export const ConditionResult = z.strictObject({
  id: z.string(),
  label: z.string(),
  /** `null`: the student alone. */
  method: Method.nullable(),
  /** Matched stages from 1 (shallow), where the study varies them. */
  stage: PositiveCount.nullable(),
  teacherStage: PositiveCount.nullable(),
  /** Those of its cells that are done. */
  seeds: z.array(Seed),
  /** `null` where no cell is done. */
  last: Spread.nullable(),
  best: Spread.nullable(),
  /** By how much `last` is better than that of the student alone with the same seed; `null` for that one itself. */
  gain: Spread.nullable(),
  /** What an independent re-run reports for it, where networks and data are its own. */
  published: z.number().nullable(),
});
export type ConditionResult = z.infer<typeof ConditionResult>;

/** Versions and hardware. No paths: results are handed on. */
export const StudySystem = SystemInfo.omit({ addonPath: true }).extend({ libtorch: SystemInfo.shape.libtorch.omit({ path: true }) });
export type StudySystem = z.infer<typeof StudySystem>;

/** What `results.json` holds and `runStudy` returns. */
export const StudyResult = z.strictObject({
  kind: StudyKind,
  directory: z.string(),
  config: StudyConfig,
  /** Of the process that trained last. */
  system: StudySystem,
  /** The task of the networks: its primary metric is what the study compares. */
  taskInfo: TaskInfo,
  /** The teacher's primary metric on the same test images; `null` before it is known. */
  teacherMetric: z.number().nullable(),
  /** Names of the matched stages, shallow to deep; stage 1 of a condition is the first. */
  stages: z.strictObject({ student: z.array(z.string()), teacher: z.array(z.string()) }),
  cells: z.array(CellResult),
  conditions: z.array(ConditionResult),
});
export type StudyResult = z.infer<typeof StudyResult>;

const event = <Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) =>
  z.strictObject({ type: z.literal(type), ...shape });

const cell = { cell: z.string(), index: Count, cells: PositiveCount };

/** What `runStudy` yields. `index` counts the cells from 0. */
export const StudyEvent = z.discriminatedUnion("type", [
  event("study-start", {
    kind: StudyKind,
    directory: z.string(),
    /** Whether the study trains the teacher itself, as its first cell. */
    trainsTeacher: z.boolean(),
    cells: z.array(z.strictObject({ id: z.string(), label: z.string(), seed: Seed, state: z.enum(["new", "begun", "done"]) })),
  }),
  event("cell-start", { ...cell, label: z.string(), seed: Seed, resumed: z.boolean() }),
  /** Something happened in the run of a cell. `etaSeconds`: to the end of the whole study. */
  event("cell-run", { ...cell, run: FitEvent, etaSeconds: NonNegativeNumber }),
  /** A cell is done, or was so before. */
  event("cell-end", { ...cell, label: z.string(), seed: Seed, skipped: z.boolean(), taskInfo: TaskInfo, result: CellResult }),
  /** A cell could not be finished; the others go on. */
  event("cell-failed", { ...cell, label: z.string(), seed: Seed, code: z.string(), message: z.string() }),
  /** A file with results was written. */
  event("study-file", { kind: z.enum(["csv", "json", "picture"]), path: z.string() }),
  /** The picture was not drawn, or the results so far could not be written: why, and what helps. */
  event("study-notice", { message: z.string() }),
  event("study-end", { result: StudyResult }),
]);
export type StudyEvent = z.infer<typeof StudyEvent>;
