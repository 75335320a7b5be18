import { z } from "zod";
import { Count, Device, NonNegativeNumber, PositiveCount } from "./common.js";
import { LoadProgress } from "./data.js";
import { BestEpoch, EpochProgress, EpochSummary, Evaluation } from "./epoch.js";
import { Matching, TermKind } from "./method.js";
import { TaskInfo } from "./task.js";
import { taskObject } from "../task-object.js";

const event = <Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) =>
  z.strictObject({ type: z.literal(type), ...shape });

/** Annotations of the data are read, before training starts: how much of a file, or of a list of files, is done. */
export const LoadingEvent = event("loading", LoadProgress.shape);

/** Training starts, or resumes from a checkpoint. */
export const StartEvent = event("start", {
  task: z.enum(["train", "distill"]),
  /** The names of losses and metrics, and the one that decides which epoch is the best. */
  taskInfo: TaskInfo,
  epochs: PositiveCount,
  /** Optimizer steps of a whole epoch; the last one may have fewer. */
  stepsPerEpoch: PositiveCount,
  trainSamples: PositiveCount,
  testSamples: Count,
  /** Position at which training starts; 0 and 0 for a new run. */
  startEpoch: Count,
  startStep: Count,
  device: Device,
  /** That train together, each with its part of every batch. */
  processes: PositiveCount,
  /** Number of parameters of the trained network, and of the modules that exist only in training. */
  parameters: Count,
  trainingOnlyParameters: Count,
  /** Kinds of the method's loss terms: one, or several for a sum; empty without a teacher. */
  terms: z.array(TermKind),
  /** Matched stages; `null` if no method uses feature maps. */
  matching: Matching.nullable(),
  runDirectory: z.string().nullable(),
});

/**
 * One line for people before training starts: a choice that lets a training fail without an error, or that has no
 * effect; what was skipped among the files of the data; how the names in a weights file differ from the network's.
 */
export const NoticeEvent = event("notice", {
  /** Its subject: settings, or the files of `"data"` (as `Dataset.notices`) and `"weights"` (as a load report). */
  topic: z.enum(["data", "weights", "schedule", "method", "learning-rate", "weight-decay", "batch-size", "image-size",
    "classes", "teacher"]),
  message: z.string(),
});
export type Notice = Omit<z.infer<typeof NoticeEvent>, "type">;

/** Several times a second while the teacher is evaluated on the test images. */
export const TeacherProgressEvent = event("teacher-progress", { samples: Count, testSamples: Count });

/** The teacher of a distillation was evaluated on the test images, before the student trains. */
export const TeacherEvent = event("teacher", {
  name: z.string(),
  /** Its own task: a teacher of another kind than the student has other metrics. */
  taskInfo: TaskInfo,
  /** `null` if the data do not suit it, for example because it was trained on other classes. */
  test: Evaluation.nullable(),
  /** Why it could not be evaluated. */
  reason: z.string().nullable(),
});

/** Several times a second while an epoch runs. */
export const ProgressEvent = taskObject({
  type: z.literal("progress"),
  ...EpochProgress.shape,
  epochs: PositiveCount,
  /** Optimizer steps done of the training, and all that it has. */
  trainingStep: Count,
  trainingSteps: PositiveCount,
  /** Time to the end of the last epoch, including evaluations. */
  etaSeconds: NonNegativeNumber,
}, ["top1"]);

/** An image folder file that cannot be decoded. */
export const BrokenImage = z.strictObject({ split: z.enum(["train", "test"]), path: z.string(), reason: z.string() });
export interface BrokenImage extends z.infer<typeof BrokenImage> {}

/** An image could not be decoded and is skipped from now on. Reported once per image and process. */
export const BrokenImageEvent = event("broken-image", { ...BrokenImage.shape, epoch: Count });

/** An epoch was trained and evaluated. */
export const EpochEvent = event("epoch", {
  epoch: Count,
  epochs: PositiveCount,
  train: EpochSummary,
  test: Evaluation,
  learningRate: NonNegativeNumber,
  /** The best epoch so far by the primary metric. It is chosen on the test set: report the last one too. */
  best: BestEpoch,
  isBest: z.boolean(),
  etaSeconds: NonNegativeNumber,
});

/** A changed setting; `was` or `now` is absent if the setting was added or removed. */
export const Change = z.strictObject({ key: z.string(), was: z.unknown().optional(), now: z.unknown().optional() });
export interface Change extends z.infer<typeof Change> {}

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

/**
 * Items saved in a run directory: the teacher's results, a line of `metrics.jsonl`, and weights files. `epoch`: the
 * periodic checkpoint.
 */
export const SavedKind = z.enum(["teacher", "metrics", "last", "best", "epoch", "student"]);
export type SavedKind = z.infer<typeof SavedKind>;

/** A checkpoint, or the trained network alone, was written. `epoch` is the epoch it belongs to, finished or not. */
export const CheckpointEvent = event("checkpoint", { kind: SavedKind.exclude(["teacher", "metrics"]), path: z.string(),
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

/** The signal was aborted; a run directory has the state. An error with the code `ABORTED` follows. */
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

const fitEvent = z.discriminatedUnion("type", [
  LoadingEvent,
  StartEvent,
  ResumedEvent,
  NoticeEvent,
  TeacherProgressEvent,
  TeacherEvent,
  ProgressEvent,
  BrokenImageEvent,
  EpochEvent,
  CheckpointEvent,
  CheckpointFailedEvent,
  InterruptedEvent,
  EndEvent,
]);
/** An event of `fit`, or of `runExperiment`, which loads the data first. */
export const FitEvent: FitEventSchema = fitEvent;
export type FitEvent = z.infer<typeof fitEvent>;
/** Declarations that use {@link FitEvent} name it, instead of repeating its shape. */
export interface FitEventSchema extends z.ZodType<FitEvent, z.input<typeof fitEvent>> {}
