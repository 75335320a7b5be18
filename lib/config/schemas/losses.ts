import { z } from "zod";
import { Count, NonNegativeNumber } from "./common.js";
import { TermKind } from "./method.js";
import { DETECTION_LOSSES, taskObject } from "../task-object.js";

/** The loss of one method. */
export const TermLosses = z.strictObject({
  kind: TermKind,
  /** Includes stage weights but not λ. */
  loss: z.number(),
  /** λ of this step, warm-up included. */
  weight: z.number(),
  /** Unweighted distance per participating teacher stage, shallow to deep; empty for methods on logits. */
  perStage: z.array(z.number()),
});
export interface TermLosses extends z.infer<typeof TermLosses> {}

/**
 * Losses of one step, or their mean over many images. All in the unit of the loss. The losses of the task stand between
 * `total` and `distillation`; without a teacher the rest is 0.
 */
export const Losses = taskObject({
  /** The task's losses + distillationWeight · distillation. */
  total: z.number(),
  /** Of classification. */
  crossEntropy: z.number(),
  /** Loss of the method before weighting by λ; for a sum, the sum of its terms' losses, each weighted by its λ. */
  distillation: z.number(),
  /** λ of this step, warm-up included; 1 for a sum. */
  distillationWeight: z.number(),
  /** The `perStage` of all terms, concatenated. */
  perStage: z.array(z.number()),
  /** The terms of the method's loss: one, or several for a sum. */
  terms: z.array(TermLosses),
}, ["crossEntropy"], DETECTION_LOSSES);
export interface Losses extends z.infer<typeof Losses> {}

/**
 * Time spent in a step: forward passes of teacher, student and method (with losses), backward pass, the exchange with
 * other processes (waiting for them included; 0 without any), optimizer.
 */
export const StepSeconds = z.strictObject({
  teacher: NonNegativeNumber,
  student: NonNegativeNumber,
  method: NonNegativeNumber,
  backward: NonNegativeNumber,
  exchange: NonNegativeNumber,
  optimizer: NonNegativeNumber,
});
export interface StepSeconds extends z.infer<typeof StepSeconds> {}

/** Result of one step of a session. */
export const StepResult = z.strictObject({
  losses: Losses,
  /** Optimizer steps of this session, including this one. */
  step: Count,
  learningRate: NonNegativeNumber,
  /** L2 norm of all gradients before clipping; `null` without clipping. */
  gradientNorm: z.number().nullable(),
  seconds: StepSeconds,
});
export interface StepResult extends z.infer<typeof StepResult> {}
