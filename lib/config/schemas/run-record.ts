import { z } from "zod";
import { Count, Device, NonNegativeNumber, PositiveCount } from "./common.js";
import { EpochSummary, Evaluation } from "./epoch.js";
import { Change, EndEvent, EpochEvent } from "./fit-event.js";

/** A line of `metrics.jsonl`: one finished epoch. */
export const EpochRecord = EpochEvent.omit({ type: true, etaSeconds: true }).extend({
  /** Time of all training and evaluation so far, excluding pauses. */
  elapsedSeconds: NonNegativeNumber,
});
export interface EpochRecord extends z.infer<typeof EpochRecord> {}

/** The part of a checkpoint that `fit` adds to the session's state, which holds the steps of the current epoch. */
export const FitProgress = z.strictObject({
  /** Epochs trained and evaluated. */
  epochsDone: Count,
  /** Summary of the current epoch if all its steps are done, but not its evaluation. */
  trained: EpochSummary.nullable(),
  /** Test results of the last evaluated epoch, and the best so far. */
  last: Evaluation.nullable(),
  best: EpochEvent.shape.best.nullable(),
  elapsedSeconds: NonNegativeNumber,
});
export interface FitProgress extends z.infer<typeof FitProgress> {}

/** A line of `config-history.jsonl`: settings that changed when a run was resumed. */
export const ConfigChange = z.strictObject({
  /** Time of the resume (ISO 8601) and the position: completed epochs, and steps of the next. */
  time: z.string(),
  epoch: Count,
  step: Count,
  changes: z.array(Change),
  /** The complete former configuration. */
  former: z.unknown(),
});
export interface ConfigChange extends z.infer<typeof ConfigChange> {}

/** The environment in which a session's checkpoint was written. */
export const Origin = z.strictObject({
  /** Versions of this package, Node and libtorch. */
  package: z.string(),
  node: z.string(),
  libtorch: z.string(),
  /** Threads per operation, and the device. */
  threads: PositiveCount,
  device: Device,
  /** Processes that trained together. */
  processes: PositiveCount.default(1),
});
export interface Origin extends z.infer<typeof Origin> {}

/** The result of `fit`. */
export const FitResult = EndEvent.omit({ type: true });
export interface FitResult extends z.infer<typeof FitResult> {}
