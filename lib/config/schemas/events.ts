import { z } from "zod";
import { Count, Device, NonNegativeNumber, PositiveCount } from "./common.js";
import { Matching, TermKind } from "./method.js";
import { TaskInfo } from "./task.js";
import { taskObject } from "./task-object.js";

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
export type TermLosses = z.infer<typeof TermLosses>;

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
}, ["crossEntropy"]);
export type Losses = z.infer<typeof Losses>;

/**
 * Time spent in the parts of a step: forward passes of teacher, student and method (with the losses), backward pass,
 * optimizer.
 */
export const StepSeconds = z.strictObject({
  teacher: NonNegativeNumber,
  student: NonNegativeNumber,
  method: NonNegativeNumber,
  backward: NonNegativeNumber,
  optimizer: NonNegativeNumber,
});
export type StepSeconds = z.infer<typeof StepSeconds>;

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
export type StepResult = z.infer<typeof StepResult>;

/** Images of one class, and the number of them that were classified correctly. */
export const ClassScore = taskObject({ name: z.string(), samples: Count, correct: Count }, ["samples", "correct"]);
export type ClassScore = z.infer<typeof ClassScore>;

/** The metrics of a task over a split. Of classification: accuracy (percent) and mean cross entropy. */
export const Evaluation = taskObject({
  top1: z.number(),
  top5: z.number(),
  loss: z.number(),
  /** Number of evaluated images: all except broken ones. */
  samples: Count,
  /** By class, if requested. */
  perClass: z.array(ClassScore).optional(),
}, ["top1", "top5", "loss"]);
export type Evaluation = z.infer<typeof Evaluation>;

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
export type EpochProgress = z.infer<typeof EpochProgress>;

/** A finished training epoch. */
export const EpochSummary = EpochProgress.extend({ seconds: NonNegativeNumber });
export type EpochSummary = z.infer<typeof EpochSummary>;

const event = <Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) =>
  z.strictObject({ type: z.literal(type), ...shape });

/** Training starts, or resumes from a checkpoint. */
export const StartEvent = event("start", {
  task: z.enum(["train", "distill"]),
  /** The names of losses and metrics, and the one that decides which epoch is the best. */
  taskInfo: TaskInfo,
  epochs: PositiveCount,
  /** Optimizer steps. */
  stepsPerEpoch: PositiveCount,
  trainSamples: PositiveCount,
  testSamples: Count,
  /** Position at which training starts; 0 and 0 for a new run. */
  startEpoch: Count,
  startStep: Count,
  device: Device,
  /** Number of parameters of the trained network, and of the modules that exist only in training. */
  parameters: Count,
  trainingOnlyParameters: Count,
  /** Kinds of the method's loss terms: one, or several for a sum; empty without a teacher. */
  terms: z.array(TermKind),
  /** Matched stages; `null` if no method uses feature maps. */
  matching: Matching.nullable(),
  runDirectory: z.string().nullable(),
});

/** Several times a second while an epoch runs. */
export const ProgressEvent = taskObject({
  type: z.literal("progress"),
  ...EpochProgress.shape,
  epochs: PositiveCount,
  /** Time to the end of the last epoch, including evaluations. */
  etaSeconds: NonNegativeNumber,
}, ["top1"]);

/** The best epoch so far, with the primary metric of its task. */
export const BestEpoch = taskObject({ epoch: Count, top1: z.number() }, ["top1"]);
export type BestEpoch = z.infer<typeof BestEpoch>;

/** An image folder file that cannot be decoded. */
export const BrokenImage = z.strictObject({ split: z.enum(["train", "test"]), path: z.string(), reason: z.string() });
export type BrokenImage = z.infer<typeof BrokenImage>;

/** An image could not be decoded and is skipped from now on. Reported once per image and process. */
export const BrokenImageEvent = event("broken-image", { ...BrokenImage.shape, epoch: Count });

/** An epoch was trained and evaluated. */
export const EpochEvent = event("epoch", {
  epoch: Count,
  epochs: PositiveCount,
  train: EpochSummary,
  test: Evaluation,
  learningRate: NonNegativeNumber,
  /**
   * The best epoch so far, this one included, by the task's primary metric. It is chosen on the test set: report the
   * last one too.
   */
  best: BestEpoch,
  isBest: z.boolean(),
  etaSeconds: NonNegativeNumber,
});

/** A changed setting; `was` or `now` is absent if the setting was added or removed. */
export const Change = z.strictObject({ key: z.string(), was: z.unknown().optional(), now: z.unknown().optional() });
export type Change = z.infer<typeof Change>;

/** A file that was skipped, and the reason. */
const DamagedFile = z.strictObject({ path: z.string(), code: z.string(), reason: z.string() });

/** A run resumes; follows "start". */
export const ResumedEvent = event("resumed", {
  /** The checkpoint that it resumes from; `null` if none was saved and it starts from the beginning. */
  checkpoint: z.string().nullable(),
  /** Newer checkpoints that are truncated or damaged. The newest of them is kept as `*.damaged`. */
  damaged: z.array(DamagedFile),
  /** Changed settings that `override` permitted. */
  changes: z.array(Change),
  /** Changed versions, threads or device; results may then differ bitwise from those of an uninterrupted run. */
  environment: z.array(Change),
});

/** Items saved in a run directory: a line of `metrics.jsonl` and weights files. `epoch`: the periodic checkpoint. */
export const SavedKind = z.enum(["metrics", "last", "best", "epoch", "student"]);
export type SavedKind = z.infer<typeof SavedKind>;

/** A checkpoint, or the trained network alone, was written. `epoch` is the epoch it belongs to, finished or not. */
export const CheckpointEvent = event("checkpoint", { kind: SavedKind.exclude(["metrics"]), path: z.string(),
  epoch: Count });

/**
 * Files could not be written. Existing files are intact, the training continues in memory, and missing files are
 * written at the next opportunity. If any are missing at the end, `fit` fails with the code `SAVE_FAILED`.
 */
export const CheckpointFailedEvent = event("checkpoint-failed", {
  kinds: z.array(SavedKind),
  code: z.string(),
  reason: z.string(),
  epoch: Count,
  /** Seconds until the retry at the end of a training; `null`: retried at the next checkpoint, or not at all. */
  retrySeconds: NonNegativeNumber.nullable(),
});

/**
 * The signal was aborted; the state was saved if there is a run directory. An error with the code `ABORTED` follows.
 */
export const InterruptedEvent = event("interrupted", { epoch: Count, step: Count, checkpoint: z.string().nullable() });

/** All epochs are done. */
export const EndEvent = event("end", {
  epochs: PositiveCount,
  last: Evaluation,
  best: BestEpoch,
  seconds: NonNegativeNumber,
  runDirectory: z.string().nullable(),
  /** In label order. */
  classNames: z.array(z.string()),
});

/** An event of `fit`. */
export const FitEvent = z.discriminatedUnion("type", [
  StartEvent,
  ResumedEvent,
  ProgressEvent,
  BrokenImageEvent,
  EpochEvent,
  CheckpointEvent,
  CheckpointFailedEvent,
  InterruptedEvent,
  EndEvent,
]);
export type FitEvent = z.infer<typeof FitEvent>;

/** The plugin with kernels for CUDA devices. Without it, CUDA uses PyTorch's operations. */
export const CudaPlugin = z.strictObject({
  loaded: z.boolean(),
  path: z.string().nullable(),
  /** The devices that it was built for. */
  builtFor: z.string().nullable(),
  /** Why it is not loaded, and how to fix that. */
  reason: z.string().nullable(),
  fix: z.string().nullable(),
});
export type CudaPlugin = z.infer<typeof CudaPlugin>;

/** The addon and the machine, as reported by `doctor`. */
export const SystemInfo = z.strictObject({
  version: z.string(),
  node: z.string(),
  platform: z.string(),
  addonPath: z.string(),
  libtorch: z.strictObject({ version: z.string(), path: z.string(), cudaBuild: z.boolean() }),
  cuda: z.strictObject({ available: z.boolean(), devices: z.array(z.string()), reason: z.string().nullable(),
    plugin: CudaPlugin.nullable() }),
  threads: PositiveCount,
  cpu: z.strictObject({ model: z.string(), cores: PositiveCount, instructionSets: z.array(z.string()),
    capability: z.string() }),
});
export type SystemInfo = z.infer<typeof SystemInfo>;
