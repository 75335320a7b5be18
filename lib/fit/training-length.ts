import type { TrainingOptions } from "../config/schemas/training.js";

/** How long a training takes. */
export interface TrainingLength {
  /** The last one may be shorter. */
  readonly epochs: number;
  /** Optimizer steps of a whole epoch, and of the training. */
  readonly stepsPerEpoch: number;
  readonly steps: number;
  /** Training images of all epochs. */
  readonly images: number;
}

/** The end of a training on so many images: after `epochs` or `maxSteps`, whichever comes first. */
export function trainingLength(
  { epochs, maxSteps, batchSize, accumulateBatches }: Pick<TrainingOptions,
    "epochs" | "maxSteps" | "batchSize" | "accumulateBatches">,
  samples: number,
): TrainingLength {
  const rest = samples % batchSize;
  // A last batch of one image is dropped, unless all are such: batch normalization needs two.
  const batches = Math.floor(samples / batchSize) + (rest >= Math.min(2, batchSize) ? 1 : 0);
  const stepsPerEpoch = Math.ceil(batches / accumulateBatches);
  const most = maxSteps ?? Infinity;
  // Too few images for a step are reported where the first epoch begins.
  const whole = Math.min(epochs ?? Infinity, Math.ceil(most / Math.max(1, stepsPerEpoch)));
  const steps = Math.min(whole * stepsPerEpoch, most);
  const inLast = steps - (whole - 1) * stepsPerEpoch;
  return { epochs: whole, stepsPerEpoch, steps,
    images: (whole - 1) * samples + Math.min(samples, inLast * batchSize * accumulateBatches) };
}
