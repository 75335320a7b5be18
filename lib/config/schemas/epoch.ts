import { z } from "zod";
import { Count, Measurement, NonNegativeNumber, PositiveCount } from "./common.js";
import { Losses } from "./losses.js";
import { DETECTION_METRICS, taskObject } from "../task-object.js";

/** Images of one class, and the number of them that were classified correctly. */
export const ClassScore = taskObject({ name: z.string(), samples: Count, correct: Count }, ["samples", "correct"],
  DETECTION_METRICS);
export interface ClassScore extends z.infer<typeof ClassScore> {}

/**
 * The metrics of a task over a split. Of classification: accuracy (percent) and mean cross entropy; of detectors
 * instead COCO's twelve numbers, from 0 to 1, or -1 where there is nothing to measure. The loss of a network that has
 * diverged may be infinite or NaN, which JSON has as null.
 */
export const Evaluation = taskObject({
  top1: Measurement,
  top5: Measurement,
  loss: Measurement,
  /** Number of evaluated images: all except broken ones. */
  samples: Count,
  /** By class, if requested. */
  perClass: z.array(ClassScore).optional(),
}, ["top1", "top5", "loss"], DETECTION_METRICS);
export interface Evaluation extends z.infer<typeof Evaluation> {}

/** State of a running epoch; means run over the images of the epoch so far. */
export const EpochProgress = taskObject({
  epoch: Count,
  /** Optimizer steps done and those of the whole epoch; a step takes `accumulateBatches` batches. */
  step: Count,
  steps: PositiveCount,
  images: Count,
  losses: Losses,
  /** Of classification: top-1 accuracy on the augmented training images, percent. */
  top1: z.number(),
  learningRate: NonNegativeNumber,
  /** Over the epoch so far, excluding pauses. */
  imagesPerSecond: NonNegativeNumber,
  /** How long the trainer waited for batches, in this epoch so far, and the share of its time that this is (0 to 1). */
  dataWaitSeconds: NonNegativeNumber,
  dataWaitFraction: z.number().min(0).max(1),
  /** Training images of this epoch so far that could not be decoded, each replaced by another one. */
  brokenImages: Count,
  /** On a device with the plugin's kernels: whether steps replay a recorded graph, and the reason if not. */
  graph: z.strictObject({ replayed: z.boolean(), reason: z.string().nullable() }).optional(),
}, ["top1"]);
export interface EpochProgress extends z.infer<typeof EpochProgress> {}

/** A finished training epoch. */
export const EpochSummary = EpochProgress.extend({ seconds: NonNegativeNumber });
export interface EpochSummary extends z.infer<typeof EpochSummary> {}

/** The best epoch so far, with the primary metric of its task. */
export const BestEpoch = taskObject({ epoch: Count, top1: Measurement }, ["top1"], DETECTION_METRICS);
export interface BestEpoch extends z.infer<typeof BestEpoch> {}
