import { z } from "zod";
import { Count, PositiveCount } from "./common.js";
import { ReviewTerm } from "./method.js";
import { FeatureSpec } from "./model.js";

/** The pair to explain, with image size and batch size. */
export const PairOptions = z.strictObject({
  /** Name of the teacher's network. */
  teacher: z.string(),
  /** Name of the student's network. */
  student: z.string(),
  /**
   * Height and width in pixels; for detectors after resizing. Default: those of the student's published results; 800 ×
   * 800 for detectors.
   */
  imageSize: z.tuple([PositiveCount, PositiveCount]).optional(),
  /** Default: that of the student's published results; 91, as torchvision's for COCO, for detectors. */
  numClasses: PositiveCount.optional(),
  /** Default: 128; 2 for detectors. */
  batchSize: PositiveCount.optional(),
  /** The options of review that affect the cost. */
  fusion: ReviewTerm.shape.fusion,
  midChannels: ReviewTerm.shape.midChannels,
});
export interface PairOptions extends z.infer<typeof PairOptions> {}
export interface PairOptionsInput extends z.input<typeof PairOptions> {}

/** The cost of a network or a part of one, or of the modules that exist only in training. */
const PartCost = z.strictObject({
  /** All parameters; frozen norms have none. */
  parameters: Count,
  /**
   * Of convolutions and linear layers in one image's forward pass, of detectors in `detect`; a multiplication and its
   * addition count as 1.
   */
  multiplyAdds: Count,
});

const NetworkCost = PartCost.extend({
  name: z.string(),
  /** Of detectors, as a part of it: the backbone with its pyramid, which is all that review runs of a teacher. */
  pyramid: PartCost.nullable(),
  /** Of two-stage detectors: proposals and masks, at most, that are counted in `multiplyAdds`. */
  regions: z.strictObject({ proposals: Count, masks: Count }).nullable(),
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
  /** The same with the padding of detectors: the size that stages and costs are for. */
  inputSize: z.tuple([PositiveCount, PositiveCount]),
  numClasses: PositiveCount,
  batchSize: PositiveCount,
  teacher: NetworkCost,
  student: NetworkCost,
  /** The fusions. */
  trainingOnly: PartCost,
  /** Matched stages, shallow to deep: of detectors the levels of the same name in both pyramids. */
  stages: z.array(PairStage),
  /** Stages without a match in the other network; of classifiers at most one list is not empty. */
  unmatched: z.strictObject({ teacher: z.array(FeatureSpec), student: z.array(FeatureSpec) }),
  /**
   * Bytes used in training with float32 on the CPU and SGD with momentum, on one thread; data loading is not included.
   * For classifiers by the plain PyTorch form of every operation (`fused: false`): the fast form takes less. For
   * detectors by the fast form, with backbones as with weights: frozen norms, and the last three stages trained.
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
    /** Images of the steps from which `step` and `process` are extrapolated; `batchSize` alone if it was measured. */
    measuredBatches: z.array(PositiveCount).min(1),
  }),
});
export interface PairExplanation extends z.infer<typeof PairExplanation> {}
