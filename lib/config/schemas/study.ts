import { z } from "zod";
import { Count, NonNegativeNumber, PositiveCount, PositiveNumber, Seed } from "./common.js";
import { StoredDataSource } from "./data.js";
import { Evaluation } from "./epoch.js";
import { FitEvent, EndEvent } from "./fit-event.js";
import { SystemInfo } from "./system.js";
import { Method, ReviewTerm, SingleLayerTerm, TeacherMode } from "./method.js";
import { NetworkConfig, presetOptions } from "./run-config.js";
import { TaskInfo } from "./task.js";
import { TrainingOptions, withEnd } from "./training.js";

/**
 * The varied settings of a study: `"ablation"`: the design steps of the paper; `"stages"`: the pairing of student and
 * teacher stages; `"seeds"`: only the seed; `"grid"`: any settings, each with a list of values.
 */
export const StudyKind = z.enum(["ablation", "stages", "seeds", "grid"]);
export type StudyKind = z.infer<typeof StudyKind>;

/** The address of a Redis, whose queue has the cells of studies. */
export const QueueUrl = z.string().regex(/^rediss?:\/\/[^/\s]+(?:\/\d*)?$/).describe(
  "the address of a Redis, redis://HOST:PORT or redis://HOST:PORT/NUMBER",
);

const Seeds = z.array(Seed).min(1).describe("one or more whole numbers ≥ 0")
  .refine((seeds) => new Set(seeds).size === seeds.length, "seeds that differ from each other");

/** Method settings that a study passes to each of its distillations that supports them; the study varies the others. */
const COMMON = { weight: true, warmupEpochs: true, warmupFrom: true, teacherFeatures: true,
  studentFeatures: true } as const;

/** The method of an ablation. */
export const AblationMethod = ReviewTerm.pick({ ...COMMON, midChannels: true }).extend({
  teacherMode: TeacherMode.default("eval"),
});
/** The method of a study of stages. */
export const StagesMethod = SingleLayerTerm.pick({ ...COMMON, distance: true }).extend({
  teacherMode: TeacherMode.default("eval"),
});

/** Training of the networks of a study: the study varies the seed. */
export const StudyTrainingOptions = TrainingOptions.omit({ seed: true });
export interface StudyTrainingOptions extends z.infer<typeof StudyTrainingOptions> {}
export interface StudyTrainingOptionsInput extends z.input<typeof StudyTrainingOptions> {}

const shared = {
  ...presetOptions,
  /** Without weights, the study trains the teacher first. */
  teacher: NetworkConfig,
  /** The network to train. */
  student: NetworkConfig,
  data: StoredDataSource.prefault({ kind: "synthetic" }),
  /** Training of each student, and of the teacher if the study trains it. */
  training: withEnd(StudyTrainingOptions).prefault({}),
  /** Settings in which the teacher's own training differs. */
  teacherTraining: z.strictObject({
    /** Passes over the training images. Default: the students'. */
    epochs: PositiveCount.optional(),
    /** Default: the students'. */
    learningRate: PositiveNumber.optional(),
  })
    .prefault({}),
};

/** The six steps from a distance between stages of equal depth to the paper's method, and the student alone. */
const ablationConfig = z.strictObject({
  kind: z.literal("ablation"),
  ...shared,
  /** Settings that all steps share. */
  method: AblationMethod.prefault({}),
  /** A training for each. */
  seeds: Seeds.default([0]),
});

/** Each matched student stage with each matched teacher stage, using one distance, and the student alone. */
const stagesConfig = z.strictObject({
  kind: z.literal("stages"),
  ...shared,
  /** Settings that all pairs share. */
  method: StagesMethod.prefault({}),
  /** A training for each. */
  seeds: Seeds.default([0]),
});

/** The student alone and distilled, with each seed. */
const seedsConfig = z.strictObject({
  kind: z.literal("seeds"),
  ...shared,
  method: Method.prefault({ kind: "review" }),
  /** A training for each. */
  seeds: Seeds.default([0, 1, 2]),
});

/** The varied settings of a grid: a dotted path of the run configuration, and its values. */
const Vary = z.record(
  z.string(),
  z.array(z.unknown()).min(1).describe("one or more values")
    .refine((values) => new Set(values.map((value) => JSON.stringify(value))).size === values.length,
      "values that differ from each other"),
).refine((vary) => Object.keys(vary).length > 0, "one or more settings with their values");

/** The student distilled with each combination of the values of some settings, with each seed. */
const gridConfig = z.strictObject({
  kind: z.literal("grid"),
  ...shared,
  method: Method.prefault({ kind: "review" }),
  /** For example `{ "method.weight": [0.5, 1], "training.optimizer.learningRate": [0.05, 0.1] }`. */
  vary: Vary,
  /** A training for each. */
  seeds: Seeds.default([0]),
});

const studyConfig = z.discriminatedUnion("kind", [ablationConfig, stagesConfig, seedsConfig, gridConfig]);
/** The complete configuration of a study, as stored in `study.json` of its directory. */
export const StudyConfig: StudyConfigSchema = studyConfig;
export type StudyConfig = z.infer<typeof studyConfig>;
/** The configuration of a study, with or without the settings that have defaults. */
export type StudyConfigInput = z.input<typeof studyConfig>;
/** Declarations that use {@link StudyConfig} name it, instead of repeating its shape. */
export interface StudyConfigSchema extends z.ZodType<StudyConfig, StudyConfigInput> {}

/** Mean and sample standard deviation of one or more values; the deviation of a single value is `null`. */
export const Spread = z.strictObject({ mean: z.number(), deviation: NonNegativeNumber.nullable() });
export interface Spread extends z.infer<typeof Spread> {}

/** The result of one training of a study. */
export const CellResult = z.strictObject({
  /** Also the name of its run directory within the study's. */
  id: z.string(),
  /** Id of its condition; `"teacher"` for the teacher. */
  condition: z.string(),
  seed: Seed,
  /** `"waiting"`: not started or not finished yet. */
  status: z.enum(["done", "failed", "waiting"]),
  /** Test results of the last epoch, and of the best one, which is selected on the test set; `null` unless done. */
  last: Evaluation.nullable(),
  best: EndEvent.shape.best.nullable(),
  /** Time of training and evaluation, excluding pauses. */
  seconds: NonNegativeNumber.nullable(),
  runDirectory: z.string(),
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
});
export interface CellResult extends z.infer<typeof CellResult> {}

/**
 * One row of a study: a way to train the student, over all seeds. Results are values of the task's primary metric,
 * gains differences of it.
 */
export const ConditionResult = z.strictObject({
  id: z.string(),
  label: z.string(),
  /** `null`: the student alone. */
  method: Method.nullable(),
  /** Matched stages from 1 (shallow), if the study varies them. */
  stage: PositiveCount.nullable(),
  teacherStage: PositiveCount.nullable(),
  /** The values of a grid's settings by their paths, as far as they affect this row; `null` in other studies. */
  settings: z.record(z.string(), z.unknown()).nullable(),
  /** Id of the row of the student alone that it is compared with; `null` for such a row itself. */
  baseline: z.string().nullable(),
  /** Seeds of its completed cells. */
  seeds: z.array(Seed),
  /** `null` if no cell is done. */
  last: Spread.nullable(),
  best: Spread.nullable(),
  /** By how much `last` is better than that of its baseline with the same seed; `null` for a baseline. */
  gain: Spread.nullable(),
  /** The result of an independent re-run, if the study uses the same networks and data. */
  published: z.number().nullable(),
});
export interface ConditionResult extends z.infer<typeof ConditionResult> {}

/** Versions and hardware, without paths because results are shared. */
export const StudySystem = SystemInfo.omit({ addonPath: true, processGroupBackends: true, threadsFrom: true,
  processors: true }).extend({
    libtorch: SystemInfo.shape.libtorch.omit({ path: true }),
  });
export interface StudySystem extends z.infer<typeof StudySystem> {}

const studyResult = z.strictObject({
  kind: StudyKind,
  directory: z.string(),
  config: StudyConfig,
  /** The system of the process that trained last. */
  system: StudySystem,
  /** The task of the networks: its primary metric is what the study compares. */
  taskInfo: TaskInfo,
  /**
   * The teacher's value of that metric on the same test images; `null` before it is known, and of a detector for other
   * classes or without masks.
   */
  teacherMetric: z.number().nullable(),
  /** Names of the matched stages, shallow to deep; stage 1 of a condition is the first. */
  stages: z.strictObject({ student: z.array(z.string()), teacher: z.array(z.string()) }),
  cells: z.array(CellResult),
  conditions: z.array(ConditionResult),
});
/** The content of `results.json` and result of `runStudy`. */
export const StudyResult: StudyResultSchema = studyResult;
export interface StudyResult extends z.infer<typeof studyResult> {}
export interface StudyResultSchema extends z.ZodType<StudyResult, z.input<typeof studyResult>> {}

const event = <Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) =>
  z.strictObject({ type: z.literal(type), ...shape });

const cell = { cell: z.string(), index: Count, cells: PositiveCount };

/** Why the newest training of a cell has failed, or why its directory cannot be read. */
const CellError = z.strictObject({ code: z.string(), message: z.string() });

const CellStateName = z.enum(["new", "begun", "done", "failed"]);

/** A cell of a study before it is trained. */
export const PlannedCell = z.strictObject({
  /** Its number in the study, from 0, by which `runStudyCell` trains it. */
  index: Count,
  id: z.string(),
  label: z.string(),
  seed: Seed,
  /**
   * On disk: `"begun"` if there is a run that is not finished, `"failed"` if its newest training has failed or its
   * directory cannot be read.
   */
  state: CellStateName,
  /** Why it has failed; `null` if it has not. */
  error: CellError.nullable(),
  /** The cell that must be done before: 0, the teacher that the study trains; `null` for all others. */
  waitsFor: Count.nullable(),
});
export interface PlannedCell extends z.infer<typeof PlannedCell> {}

/** The result of `planStudy`: the cells of a study, which can be trained in any order, on any machine. */
export const StudyPlan = z.strictObject({
  kind: StudyKind,
  directory: z.string(),
  config: StudyConfig,
  cells: z.array(PlannedCell),
});
export interface StudyPlan extends z.infer<typeof StudyPlan> {}

const studyEvent = z.discriminatedUnion("type", [
  event("study-start", {
    kind: StudyKind,
    directory: z.string(),
    /** Whether the study trains the teacher itself, as its first cell. */
    trainsTeacher: z.boolean(),
    cells: z.array(
      z.strictObject({ id: z.string(), label: z.string(), seed: Seed, state: CellStateName }),
    ),
  }),
  /**
   * The primary metric of a teacher from a file on the test images, before a student trains; `null` if it was trained
   * on other classes, or has no such metric.
   */
  event("study-teacher", { name: z.string(), taskInfo: TaskInfo, metric: z.number().nullable() }),
  event("cell-start", { ...cell, label: z.string(), seed: Seed, resumed: z.boolean() }),
  /** An event from the run of a cell. `etaSeconds`: time to the end of the whole study, or of a single cell. */
  event("cell-run", { ...cell, run: FitEvent, etaSeconds: NonNegativeNumber }),
  /** A cell is done, or was so before. */
  event("cell-end", { ...cell, label: z.string(), seed: Seed, skipped: z.boolean(), taskInfo: TaskInfo,
    result: CellResult }),
  /** A cell could not be finished; the others continue. */
  event("cell-failed", { ...cell, label: z.string(), seed: Seed, code: z.string(), message: z.string() }),
  /** Another process trains a cell, which is tried again after the others. `message` says which process. */
  event("cell-locked", { ...cell, label: z.string(), seed: Seed, message: z.string() }),
  /** Only cells are left that other processes train, or whose teacher they do: the study waits for them. */
  event("study-waiting", { left: PositiveCount, cells: PositiveCount }),
  /** The cells of a study that other processes train. `etaSeconds`: `null` before the first speed is known. */
  event("study-progress", {
    cells: PositiveCount,
    done: Count,
    failed: Count,
    /** In the queue, or waiting for the teacher. */
    waiting: Count,
    running: z.array(
      z.strictObject({ cell: z.string(), index: Count, worker: z.string(), epoch: Count, epochs: PositiveCount,
        step: Count, steps: PositiveCount }),
    ),
    etaSeconds: NonNegativeNumber.nullable(),
  }),
  /** A results file was written. */
  event("study-file", { kind: z.enum(["csv", "json", "picture"]), path: z.string() }),
  /** The picture was not drawn, or intermediate results could not be written: the reason and the fix. */
  event("study-notice", { message: z.string() }),
  event("study-end", { result: StudyResult }),
]);
/** An event of `runStudy`, `runStudyCell`, `collectStudy` and `queueStudy`. `index` counts the cells from 0. */
export const StudyEvent: StudyEventSchema = studyEvent;
export type StudyEvent = z.infer<typeof studyEvent>;
export interface StudyEventSchema extends z.ZodType<StudyEvent, z.input<typeof studyEvent>> {}

/** An event of `workOnStudies`. */
export const WorkEvent = z.discriminatedUnion("type", [
  /** `worker`: the name by which the studies' progress shows this process. */
  event("work-start", { queue: z.string(), worker: z.string() }),
  /** No cell is free; the worker waits for one. */
  event("work-idle", {}),
  /** An event of the cell that is trained. */
  event("work-cell", { directory: z.string(), event: StudyEvent }),
  /**
   * A cell went back into the queue: it waits for its `"teacher"`; another process has its directory (`"locked"`); its
   * study, data or teacher's weights are `"unreadable"` here; this worker was `"stopped"`, or had not answered for so
   * long that the queue has taken it for `"lost"`. `message`: that of the error, if there was one.
   */
  event("work-returned", { directory: z.string(), index: Count,
    reason: z.enum(["teacher", "locked", "unreadable", "stopped", "lost"]), message: z.string().nullable() }),
  /** A cell could not be trained, and is not tried again until its study is queued again. */
  event("work-failed", { directory: z.string(), index: Count, code: z.string(), message: z.string() }),
  /** Numbers of cells that this worker has finished. */
  event("work-end", { done: Count, failed: Count }),
]);
export type WorkEvent = z.infer<typeof WorkEvent>;
