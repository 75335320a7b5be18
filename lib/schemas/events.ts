import { z } from "zod";
import { Count, Device, NonNegativeNumber, PositiveCount } from "./common.js";
import { Matching, TermKind } from "./method.js";
import { TaskInfo } from "./task.js";
import { taskObject } from "./task-object.js";

/** The loss of one method. */
export const TermLosses = z.strictObject({
  kind: TermKind,
  /** Stage weights included, λ not. */
  loss: z.number(),
  /** λ of this step, warm-up included. */
  weight: z.number(),
  /** Distance by stage of the teacher that takes part, shallow to deep, without weights; empty for methods on logits. */
  perStage: z.array(z.number()),
});
export type TermLosses = z.infer<typeof TermLosses>;

/**
 * Losses of one step, or their mean over many images. All in the unit of the loss. The losses of the task stand between `total` and
 * `distillation`; without a teacher the rest is 0.
 */
export const Losses = taskObject({
  /** The task's losses + distillationWeight · distillation. */
  total: z.number(),
  /** Of classification. */
  crossEntropy: z.number(),
  /** Loss of the method before it is weighted by λ; of a sum, the sum of its terms' losses, each weighted by its λ. */
  distillation: z.number(),
  /** λ of this step, warm-up included; 1 for a sum. */
  distillationWeight: z.number(),
  /** The terms' `perStage`, one after the other. */
  perStage: z.array(z.number()),
  /** What the method's loss is made of: one term, or those of a sum. */
  terms: z.array(TermLosses),
}, ["crossEntropy"]);
export type Losses = z.infer<typeof Losses>;

/** Where the seconds of a step went: both networks' forward passes, the method's with the losses' values, backward, optimizer. */
export const StepSeconds = z.strictObject({
  teacher: NonNegativeNumber,
  student: NonNegativeNumber,
  method: NonNegativeNumber,
  backward: NonNegativeNumber,
  optimizer: NonNegativeNumber,
});
export type StepSeconds = z.infer<typeof StepSeconds>;

/** What a session says of the step that it just took. */
export const StepResult = z.strictObject({
  losses: Losses,
  /** Optimizer steps taken by this session, this one included. */
  step: Count,
  learningRate: NonNegativeNumber,
  /** L2 norm of all gradients before clipping; `null` where nothing is clipped. */
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
  /** Images that counted: all, but for broken ones. */
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
  /** Over the epoch so far, a pause not counted. */
  imagesPerSecond: NonNegativeNumber,
  /** How long the trainer waited for batches, in this epoch so far, and the share of its time that this is (0 to 1). */
  dataWaitSeconds: NonNegativeNumber,
  dataWaitFraction: z.number().min(0).max(1),
  /** Training images of this epoch so far that could not be decoded, each replaced by another one. */
  brokenImages: Count,
  /** On a device with the plugin's kernels: whether steps are replays of a recorded one, and why they are not recorded. */
  graph: z.strictObject({ replayed: z.boolean(), reason: z.string().nullable() }).optional(),
}, ["top1"]);
export type EpochProgress = z.infer<typeof EpochProgress>;

/** A finished training epoch. */
export const EpochSummary = EpochProgress.extend({ seconds: NonNegativeNumber });
export type EpochSummary = z.infer<typeof EpochSummary>;

const event = <Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) =>
  z.strictObject({ type: z.literal(type), ...shape });

/** Training begins, or goes on where a checkpoint left it. */
export const StartEvent = event("start", {
  task: z.enum(["train", "distill"]),
  /** The names of losses and metrics, and the one that decides which epoch is the best. */
  taskInfo: TaskInfo,
  epochs: PositiveCount,
  /** Optimizer steps. */
  stepsPerEpoch: PositiveCount,
  trainSamples: PositiveCount,
  testSamples: Count,
  /** Where training goes on; 0 and 0 for a new run. */
  startEpoch: Count,
  startStep: Count,
  device: Device,
  /** Parameters of the trained network, and of the modules that exist in training only. */
  parameters: Count,
  trainingOnlyParameters: Count,
  /** What the method's loss is made of: its kind, or those of a sum; none without a teacher. */
  terms: z.array(TermKind),
  /** How stages are matched; `null` where no method looks at feature maps. */
  matching: Matching.nullable(),
  runDirectory: z.string().nullable(),
});

/** Several times a second while an epoch runs. */
export const ProgressEvent = taskObject({
  type: z.literal("progress"),
  ...EpochProgress.shape,
  epochs: PositiveCount,
  /** To the end of the last epoch, evaluations included. */
  etaSeconds: NonNegativeNumber,
}, ["top1"]);

/** The best epoch so far, with the primary metric of its task. */
export const BestEpoch = taskObject({ epoch: Count, top1: z.number() }, ["top1"]);
export type BestEpoch = z.infer<typeof BestEpoch>;

/** A file of an image folder that cannot be decoded. */
export const BrokenImage = z.strictObject({ split: z.enum(["train", "test"]), path: z.string(), reason: z.string() });
export type BrokenImage = z.infer<typeof BrokenImage>;

/** An image could not be decoded and is skipped from now on. Each is told once in a process. */
export const BrokenImageEvent = event("broken-image", { ...BrokenImage.shape, epoch: Count });

/** An epoch was trained and evaluated. */
export const EpochEvent = event("epoch", {
  epoch: Count,
  epochs: PositiveCount,
  train: EpochSummary,
  test: Evaluation,
  learningRate: NonNegativeNumber,
  /** The best epoch so far, this one included, by the task's primary metric. It is chosen on the test set: report the last one too. */
  best: BestEpoch,
  isBest: z.boolean(),
  etaSeconds: NonNegativeNumber,
});

/** A setting that is another than it was; absent where there was, or is, none. */
export const Change = z.strictObject({ key: z.string(), was: z.unknown().optional(), now: z.unknown().optional() });
export type Change = z.infer<typeof Change>;

/** A file that was passed over, and why. */
const DamagedFile = z.strictObject({ path: z.string(), code: z.string(), reason: z.string() });

/** A run goes on; comes after "start". */
export const ResumedEvent = event("resumed", {
  /** Where it goes on from; `null`: it had saved nothing and begins anew. */
  checkpoint: z.string().nullable(),
  /** Newer checkpoints that are torn or damaged. The newest of them is kept as `*.damaged`. */
  damaged: z.array(DamagedFile),
  /** Settings that differ and were allowed to by `override`. */
  changes: z.array(Change),
  /** Versions, threads and device that differ: the same bits as those of an undisturbed run are not promised then. */
  environment: z.array(Change),
});

/** What a run directory is given: the line in `metrics.jsonl`, and files of weights. `epoch`: one of every so many epochs. */
export const SavedKind = z.enum(["metrics", "last", "best", "epoch", "student"]);
export type SavedKind = z.infer<typeof SavedKind>;

/** A checkpoint, or the trained network alone, was written. `epoch` is the one it belongs to, finished or not. */
export const CheckpointEvent = event("checkpoint", { kind: SavedKind.exclude(["metrics"]), path: z.string(), epoch: Count });

/**
 * Something could not be written. What was there before is whole, the training goes on in memory, and what is missing is
 * written at the next opportunity; what is missing at the end ends `fit` with the code `SAVE_FAILED`.
 */
export const CheckpointFailedEvent = event("checkpoint-failed", {
  kinds: z.array(SavedKind),
  code: z.string(),
  reason: z.string(),
  epoch: Count,
  /** Seconds until it is tried again, at the end of a training; `null`: at the next checkpoint, or not any more. */
  retrySeconds: NonNegativeNumber.nullable(),
});

/** The signal was heard; the state was saved where there is a run directory. An error with code `ABORTED` follows. */
export const InterruptedEvent = event("interrupted", { epoch: Count, step: Count, checkpoint: z.string().nullable() });

/** All epochs are done. */
export const EndEvent = event("end", {
  epochs: PositiveCount,
  last: Evaluation,
  best: BestEpoch,
  seconds: NonNegativeNumber,
  runDirectory: z.string().nullable(),
  /** In the order of the labels. */
  classNames: z.array(z.string()),
});

/** What `fit` yields. */
export const FitEvent = z.discriminatedUnion("type", [
  StartEvent, ResumedEvent, ProgressEvent, BrokenImageEvent, EpochEvent, CheckpointEvent, CheckpointFailedEvent, InterruptedEvent, EndEvent,
]);
export type FitEvent = z.infer<typeof FitEvent>;

/** Kernels for CUDA devices. Without them CUDA works by PyTorch's operations. */
export const CudaPlugin = z.strictObject({
  loaded: z.boolean(),
  path: z.string().nullable(),
  /** The devices that it holds code for. */
  builtFor: z.string().nullable(),
  /** Why it is not loaded, and what would mend that. */
  reason: z.string().nullable(),
  fix: z.string().nullable(),
});
export type CudaPlugin = z.infer<typeof CudaPlugin>;

/** What the addon and the machine are, as `doctor` tells it. */
export const SystemInfo = z.strictObject({
  version: z.string(),
  node: z.string(),
  platform: z.string(),
  addonPath: z.string(),
  libtorch: z.strictObject({ version: z.string(), path: z.string(), cudaBuild: z.boolean() }),
  cuda: z.strictObject({ available: z.boolean(), devices: z.array(z.string()), reason: z.string().nullable(), plugin: CudaPlugin.nullable() }),
  threads: PositiveCount,
  cpu: z.strictObject({ model: z.string(), cores: PositiveCount, instructionSets: z.array(z.string()), capability: z.string() }),
});
export type SystemInfo = z.infer<typeof SystemInfo>;
