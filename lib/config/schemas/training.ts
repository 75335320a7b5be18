import { z } from "zod";
import { Count, Device, MOST_THREADS, NonNegativeNumber, PositiveCount, PositiveNumber, Precision, RESUMABLE, Seed,
  ThreadCount } from "./common.js";

/** Separate settings for parameters whose state-dict name matches `pattern`. The first matching group applies. */
export const ParameterGroup = z.strictObject({
  /** An ECMAScript regular expression that is searched for in state-dict names, for example `"\\.bias$"`. */
  pattern: z.string().min(1),
  /** Multiplies the learning rate. */
  learningRateScale: NonNegativeNumber.default(1),
  /** Overrides the optimizer's weight decay. Default: the optimizer's. */
  weightDecay: NonNegativeNumber.optional(),
});
export interface ParameterGroup extends z.infer<typeof ParameterGroup> {}

/** Stochastic gradient descent with PyTorch's definition of momentum, Nesterov and weight decay. */
export const Sgd = z.strictObject({
  kind: z.literal("sgd"),
  /** At the full rate, before schedule and warm-up scale it. */
  learningRate: PositiveNumber.default(0.1),
  /** Weight of the previous steps; 0: none. */
  momentum: z.number().min(0).lt(1).default(0.9),
  /** Nesterov's form of momentum. */
  nesterov: z.boolean().default(true),
  /** L2 penalty on the parameters. */
  weightDecay: NonNegativeNumber.default(5e-4),
  /** Weight decay of batch normalizations. Default: `weightDecay`. */
  normWeightDecay: NonNegativeNumber.optional(),
  /** Parameters with settings of their own. */
  groups: z.array(ParameterGroup).default([]),
});
export interface Sgd extends z.infer<typeof Sgd> {}

/** The optimizer. */
export const Optimizer = z.discriminatedUnion("kind", [Sgd]);
export type Optimizer = z.infer<typeof Optimizer>;
export type OptimizerInput = z.input<typeof Optimizer>;

const warmup = {
  /** The rate rises linearly from 0, step by step; fractions are allowed. */
  warmupEpochs: NonNegativeNumber.default(0),
  /** The rate rises linearly over so many optimizer steps, from `warmupFactor` of the rate at the first. */
  warmupSteps: Count.optional(),
  /** Fraction of the rate at the first step of `warmupSteps`. */
  warmupFactor: z.number().min(0).max(1).optional(),
};

/** Constant learning rate after the warm-up. */
export const ConstantSchedule = z.strictObject({ kind: z.literal("constant"), ...warmup });

/**
 * Multiplied by `factor` *after* each milestone, an epoch index from 0: epoch index 150 of the official 240 still runs
 * at the full rate (phases of 151, 30, 30 and 29 epochs for milestones 150, 180, 210). The last milestone with an
 * effect is the number of epochs - 2.
 */
export const MultiStepSchedule = z.strictObject({
  kind: z.literal("multi-step"),
  /** Epochs from 0 after which the rate is lower. */
  milestones: z.array(Count).default([150, 180, 210]),
  /** In addition, or alone with empty `milestones`: optimizer steps of the training, from 0, from which it is lower. */
  milestoneSteps: z.array(Count).optional(),
  /** Multiplies the rate at each milestone. */
  factor: PositiveNumber.default(0.1),
  ...warmup,
});

/** Half a cosine from the full rate to `finalScale` times the full rate over all epochs. */
export const CosineSchedule = z.strictObject({
  kind: z.literal("cosine"),
  /** The last epoch's fraction of the rate. */
  finalScale: z.number().min(0).max(1).default(0),
  ...warmup,
});

/** Learning rate over epochs or optimizer steps, after a warm-up. */
export const Schedule = z.discriminatedUnion("kind", [ConstantSchedule, MultiStepSchedule, CosineSchedule]);
export type Schedule = z.infer<typeof Schedule>;
export type ScheduleInput = z.input<typeof Schedule>;

/** Options of an optimizer step, apart from networks and method; shared by `createSession` and `fit`. */
export const StepOptions = z.strictObject({
  optimizer: Optimizer.prefault({ kind: "sgd" }),
  precision: Precision.default("float32"),
  /** Of a frozen teacher's forward pass; a student in float32 can learn from one in bfloat16. Default: `precision`. */
  teacherPrecision: Precision.optional(),
  /**
   * Parts that a batch is split into, one after the other; their gradients are averaged before the one optimizer step.
   * Takes the memory of a part and gives the gradient of the whole batch, but for batch statistics, which are those of
   * the parts.
   */
  microBatches: PositiveCount.default(1),
  /**
   * Consecutive batches of an epoch whose gradients are averaged, weighted by their images, for one optimizer step: the
   * gradient of one batch of as many images, but for batch statistics. The last step of an epoch averages the batches
   * that are left. Schedules, `step` and `steps` count optimizer steps.
   */
  accumulateBatches: PositiveCount.default(1),
  /** Gradients are scaled down to this L2 norm over all parameters; `null`: not at all. */
  clipNorm: PositiveNumber.nullable().default(null),
  /** Threads of one operation; `null`: OMP_NUM_THREADS, otherwise as many as cores that this process may use. */
  threads: ThreadCount.nullable().default(null).meta(RESUMABLE),
  /**
   * Threads of its own on which a frozen teacher runs ahead of the student, on the CPU in `trainEpoch` and `fit`; 0:
   * it runs in turn, on the student's. `null`: as many as `threads`, if that is given and the machine has at least
   * twice as many cores. Methods on the logits of regions run it in turn.
   */
  teacherThreads: Count.max(MOST_THREADS).nullable().default(null).meta(RESUMABLE),
  /** Compute by fused operations; `false`: by the plain PyTorch form of each, slower and equal within rounding. */
  fused: z.boolean().default(true),
  /**
   * With several processes: batch normalizations take statistics over the images of all of them, in the forward and the
   * backward pass, as one process at the whole batch does; otherwise each over its own, as published codes do, and the
   * running statistics are averaged. Default: false.
   */
  syncBatchNorm: z.boolean().optional(),
  /** Where to compute; networks move there when the session is made. `undefined` leaves them where they are. */
  device: Device.optional().meta(RESUMABLE),
});
export interface StepOptions extends z.infer<typeof StepOptions> {}
export interface StepOptionsInput extends z.input<typeof StepOptions> {}

/** One epoch of a session. */
export const EpochOptions = z.strictObject({
  /** Epoch from 0. */
  epoch: Count,
  /** All epochs of the training, for the schedule. */
  epochs: PositiveCount,
  /** Optimizer steps of the whole training: the epoch in which it is reached ends there, and schedules end with it. */
  maxSteps: PositiveCount.nullable().default(null),
  /** Images in a batch. */
  batchSize: PositiveCount.default(128),
  /** Seeds order and augmentation. */
  seed: Seed.default(0),
  /** Pad, crop and flip the training images. */
  augment: z.boolean().default(true),
  schedule: Schedule.prefault({ kind: "constant" }),
});
export interface EpochOptionsInput extends z.input<typeof EpochOptions> {}

/** Every setting of `fit` other than networks, method and data. */
export const TrainingOptions = StepOptions.extend({
  /** Passes over the training images; `null`: until `maxSteps`. */
  epochs: PositiveCount.nullable().default(240),
  /**
   * Optimizer steps of the whole training, which then ends within an epoch if need be; `null`: all steps of all
   * `epochs`. With both, the training ends with whichever comes first. Settings that have `maxSteps` alone drop the
   * `epochs` of defaults, and of a preset or configuration file below them.
   */
  maxSteps: PositiveCount.nullable().default(null),
  /** Images in a batch, of all processes together. */
  batchSize: PositiveCount.default(128),
  /** Images in a batch of the evaluation. */
  evaluationBatchSize: PositiveCount.default(256),
  schedule: Schedule.prefault({ kind: "multi-step" }),
  /** Seeds order, augmentation, and networks that are created for the run. */
  seed: Seed.default(0),
  /** Pad, crop and flip the training images. */
  augment: z.boolean().default(true),
  /** Keep a checkpoint of its own after every so many epochs; `null`: only the last and the best. */
  checkpointEvery: PositiveCount.nullable().default(null).meta(RESUMABLE),
  /** Of these, the newest that are kept; `null`: all. */
  keepCheckpoints: PositiveCount.nullable().default(null).meta(RESUMABLE),
  /** Save within an epoch as often; `null`: only at its end. */
  checkpointMinutes: PositiveNumber.nullable().default(10).meta(RESUMABLE),
});
export interface TrainingOptions extends z.infer<typeof TrainingOptions> {}

/** Training options, or some of them, that say when the training ends. */
export function withEnd<Schema extends z.ZodType<Pick<TrainingOptions, "epochs" | "maxSteps">>>(
  schema: Schema,
): Schema {
  return schema.refine(({ epochs, maxSteps }) => epochs !== null || maxSteps !== null, {
    error: "a whole number ≥ 1 unless maxSteps is given",
    path: ["epochs"],
  });
}
export interface TrainingOptionsInput extends z.input<typeof TrainingOptions> {}
