import { z } from "zod";
import { Method } from "./method.js";
import { TrainingOptions } from "./training.js";

/** What a preset settles of a training: all that a publication determines, nothing of the machine. */
export const PresetTraining = TrainingOptions.pick({
  epochs: true, batchSize: true, optimizer: true, schedule: true, augment: true, accumulate: true, clipNorm: true,
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
});
export type PublishedAccuracy = z.infer<typeof PublishedAccuracy>;

/** Settings under a name. */
export const Preset = z.strictObject({
  name: z.string().min(1),
  /** One sentence. */
  description: z.string().min(1),
  /** `"published"`: as a publication or its code has it; `"ours"`: chosen for this package, comparable with no published figure. */
  origin: z.enum(["published", "ours"]),
  /** Where settings and accuracies come from. */
  source: z.string().min(1),
  /** The data set it is meant for. */
  dataset: z.enum(["cifar100"]),
  /** Names of networks, where the preset is for one pair. */
  teacher: z.string().optional(),
  student: z.string().optional(),
  method: Method,
  training: PresetTraining,
  published: PublishedAccuracy.optional(),
});
export type Preset = z.infer<typeof Preset>;
export type PresetInput = z.input<typeof Preset>;
