import { z } from "zod";
import { Count, Device, NonNegativeNumber, PositiveCount } from "./common.js";
import { Change, EndEvent, EpochEvent, EpochSummary, Evaluation } from "./events.js";

/** A line of `metrics.jsonl`: one finished epoch. */
export const EpochRecord = EpochEvent.omit({ type: true, etaSeconds: true }).extend({
  /** Of all training and evaluation so far, pauses not counted. */
  elapsedSeconds: NonNegativeNumber,
});
export type EpochRecord = z.infer<typeof EpochRecord>;

/** What a checkpoint of `fit` knows beside the session's own state, which has the steps of the epoch that follows. */
export const FitProgress = z.strictObject({
  /** Epochs trained and evaluated. */
  epochsDone: Count,
  /** The epoch that follows where all its steps are done, but not its evaluation. */
  trained: EpochSummary.nullable(),
  /** Test results of the last evaluated epoch, and the best of all. */
  last: Evaluation.nullable(),
  best: EpochEvent.shape.best.nullable(),
  elapsedSeconds: NonNegativeNumber,
});
export type FitProgress = z.infer<typeof FitProgress>;

/** A line of `config-history.jsonl`: settings that were changed while a run went on. */
export const ConfigChange = z.strictObject({
  /** When it was resumed with them (ISO 8601), and how far it was: epochs done, and steps of the next. */
  time: z.string(),
  epoch: Count,
  step: Count,
  changes: z.array(Change),
  /** The whole configuration before. */
  former: z.unknown(),
});
export type ConfigChange = z.infer<typeof ConfigChange>;

/** What a session's checkpoint says of where it was written. */
export const Origin = z.strictObject({
  /** Version of this package, of Node and of libtorch. */
  package: z.string(),
  node: z.string(),
  libtorch: z.string(),
  /** Threads of one operation, and where it computed. */
  threads: PositiveCount,
  device: Device,
});
export type Origin = z.infer<typeof Origin>;

/** What `fit` returns. */
export const FitResult = EndEvent.omit({ type: true });
export type FitResult = z.infer<typeof FitResult>;
