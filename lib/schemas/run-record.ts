import { z } from "zod";
import { Count, NonNegativeNumber } from "./common.js";
import { EndEvent, EpochEvent, EpochSummary, Evaluation } from "./events.js";

/** A line of `metrics.jsonl`: one finished epoch. */
export const EpochRecord = EpochEvent.omit({ type: true, etaSeconds: true }).extend({
  /** Of all training and evaluation so far, pauses not counted. */
  elapsedSeconds: NonNegativeNumber,
});
export type EpochRecord = z.infer<typeof EpochRecord>;

/** What a checkpoint of `fit` knows beside the session's own state. */
export const FitProgress = z.strictObject({
  /** Epochs trained and evaluated. */
  epochsDone: Count,
  /** Steps done in the epoch that follows. */
  stepsDone: Count,
  /** The epoch that follows where all its steps are done, but not its evaluation. */
  trained: EpochSummary.nullable(),
  /** Test results of the last evaluated epoch, and the best of all. */
  last: Evaluation.nullable(),
  best: EpochEvent.shape.best.nullable(),
  elapsedSeconds: NonNegativeNumber,
});
export type FitProgress = z.infer<typeof FitProgress>;

/** What `fit` returns. */
export const FitResult = EndEvent.omit({ type: true });
export type FitResult = z.infer<typeof FitResult>;
