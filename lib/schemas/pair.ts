import { z } from "zod";
import { Count, PositiveCount } from "./common.js";
import { ReviewTerm } from "./method.js";
import { FeatureSpec } from "./model.js";

/** Which pair is explained, and for which images and batches. */
export const PairOptions = z.strictObject({
  /** Names of networks. */
  teacher: z.string(),
  student: z.string(),
  /** Height and width in pixels; omitted: those of the student's published results. */
  imageSize: z.tuple([PositiveCount, PositiveCount]).optional(),
  /** Omitted: the number of the student's published results. */
  numClasses: PositiveCount.optional(),
  batchSize: z.int().min(2).default(128),
  /** What of review's options has a part in the cost. */
  fusion: ReviewTerm.shape.fusion,
  midChannels: ReviewTerm.shape.midChannels,
});
export type PairOptions = z.infer<typeof PairOptions>;
export type PairOptionsInput = z.input<typeof PairOptions>;

/** A network, or what exists in training alone. */
const PartCost = z.strictObject({
  /** Trainable values. */
  parameters: Count,
  /** Multiply-adds of convolutions and linear layers in one image's forward pass; a multiplication with its addition counts as 1. */
  multiplyAdds: Count,
});

const PairStage = z.strictObject({
  student: FeatureSpec,
  teacher: FeatureSpec,
  /** Whether the fused map is resized to the teacher's size. */
  resized: z.boolean(),
  /** Trainable values of the fusion of this stage. */
  parameters: Count,
});

/** What {@link explainPair} tells. */
export const PairExplanation = z.strictObject({
  imageSize: z.tuple([PositiveCount, PositiveCount]),
  numClasses: PositiveCount,
  batchSize: PositiveCount,
  teacher: PartCost.extend({ name: z.string() }),
  student: PartCost.extend({ name: z.string() }),
  /** The fusions. */
  trainingOnly: PartCost,
  /** Matched stages, shallow to deep. */
  stages: z.array(PairStage),
  /** Stages of one network that the other has no partner for; at most one list has any. */
  unmatched: z.strictObject({ teacher: z.array(FeatureSpec), student: z.array(FeatureSpec) }),
  /**
   * Bytes of training in float32 on the CPU, with SGD and momentum. `step` and `process` are extrapolated from steps with 2 and 4
   * images, run on one thread; loading the data comes on top.
   */
  memory: z.strictObject({
    /** Parameters and statistics of teacher, student and fusions. */
    state: Count,
    /** The optimizer's momentum buffers. */
    momentumBuffers: Count,
    /** Images, activations, gradients and temporary values, where they are most. */
    step: Count,
    /** The sum: tensors that live at once, where they are most. */
    tensors: Count,
    /** What the process takes for them: blocks are rounded up and kept for reuse. */
    process: Count,
  }),
});
export type PairExplanation = z.infer<typeof PairExplanation>;
