import { z } from "zod";
import { Count, PositiveCount } from "./common.js";
import { ReviewTerm } from "./method.js";
import { FeatureSpec } from "./model.js";

/** The pair to explain, with image size and batch size. */
export const PairOptions = z.strictObject({
  /** Names of networks. */
  teacher: z.string(),
  student: z.string(),
  /** Height and width in pixels. Default: those of the student's published results. */
  imageSize: z.tuple([PositiveCount, PositiveCount]).optional(),
  /** Default: that of the student's published results. */
  numClasses: PositiveCount.optional(),
  batchSize: z.int().min(2).default(128),
  /** The options of review that affect the cost. */
  fusion: ReviewTerm.shape.fusion,
  midChannels: ReviewTerm.shape.midChannels,
});
export type PairOptions = z.infer<typeof PairOptions>;
export type PairOptionsInput = z.input<typeof PairOptions>;

/** The cost of a network, or of the modules that exist only in training. */
const PartCost = z.strictObject({
  /** Trainable parameters. */
  parameters: Count,
  /** Of convolutions and linear layers in one image's forward pass; a multiplication and its addition count as 1. */
  multiplyAdds: Count,
});

const PairStage = z.strictObject({
  student: FeatureSpec,
  teacher: FeatureSpec,
  /** Whether the fused map is resized to the teacher's size. */
  resized: z.boolean(),
  /** Trainable parameters of the fusion of this stage. */
  parameters: Count,
});

/** The result of {@link explainPair}. */
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
  /** Stages without a match in the other network; at most one list is not empty. */
  unmatched: z.strictObject({ teacher: z.array(FeatureSpec), student: z.array(FeatureSpec) }),
  /**
   * Bytes used in training with float32 on the CPU and SGD with momentum. `step` and `process` are extrapolated from
   * steps with 2 and 4 images on one thread; data loading is not included.
   */
  memory: z.strictObject({
    /** Parameters and statistics of teacher, student and fusions. */
    state: Count,
    /** The optimizer's momentum buffers. */
    momentumBuffers: Count,
    /** Images, activations, gradients and temporary values, where they are most. */
    step: Count,
    /** The sum: peak of all tensors that are alive at once. */
    tensors: Count,
    /** Memory that the process allocates for them: blocks are rounded up and cached for reuse. */
    process: Count,
  }),
});
export type PairExplanation = z.infer<typeof PairExplanation>;
