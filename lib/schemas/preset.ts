import { z } from "zod";
import { Method } from "./method.js";
import { TrainingOptions } from "./training.js";

/** What a preset settles of a training: all that a publication determines, nothing of the machine. */
export const PresetTraining = TrainingOptions.pick({
  epochs: true, batchSize: true, optimizer: true, schedule: true, augment: true, microBatches: true, accumulateBatches: true, clipNorm: true,
});
export type PresetTraining = z.infer<typeof PresetTraining>;

const Percent = z.number().min(0).max(100);

/** Top-1 accuracies (percent) that others report. */
export const PublishedAccuracy = z.strictObject({
  /** The teacher by itself. */
  teacher: Percent,
  /** The student by itself. */
  student: Percent,
  /** The student under this teacher. */
  review: Percent,
  /** The same in an independent re-run, where there is one. */
  rerun: Percent.optional(),
});
export type PublishedAccuracy = z.infer<typeof PublishedAccuracy>;

/** A field of a preset that is less certain than the rest of it. */
export const PresetMark = z.strictObject({
  /** Its place in the preset, keys between dots: `"method.weight"`. */
  field: z.string().min(1),
  /** `"memory"`: quoted from memory; `"re-run"`: from an independent re-run; `"ours"`: nobody published it, chosen for this package. */
  origin: z.enum(["memory", "re-run", "ours"]),
  /** Why, where there is more to say. */
  note: z.string().min(1).optional(),
});
export type PresetMark = z.infer<typeof PresetMark>;

/** Settings under a name. */
export const Preset = z.strictObject({
  name: z.string().min(1),
  /** One sentence. */
  description: z.string().min(1),
  /** `"published"`: as a publication or its code has it, but for `marks`; `"ours"`: chosen for this package, comparable with no published figure. */
  origin: z.enum(["published", "ours"]),
  /** Where settings and accuracies come from. */
  source: z.string().min(1),
  /** The data set it is meant for. */
  dataset: z.enum(["cifar100", "imagenet"]),
  /** Names of networks, where the preset is for one pair. */
  teacher: z.string().optional(),
  student: z.string().optional(),
  method: Method,
  training: PresetTraining,
  published: PublishedAccuracy.optional(),
  marks: z.array(PresetMark).default([]),
});
export type Preset = z.infer<typeof Preset>;
export type PresetInput = z.input<typeof Preset>;
