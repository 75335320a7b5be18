import { z } from "zod";
import { Method } from "./method.js";
import { TrainingOptions } from "./training.js";

/** The training options of a preset: everything that a publication determines, nothing specific to the machine. */
export const PresetTraining = TrainingOptions.pick({
  epochs: true,
  batchSize: true,
  optimizer: true,
  schedule: true,
  augment: true,
  microBatches: true,
  accumulateBatches: true,
  clipNorm: true,
});
export type PresetTraining = z.infer<typeof PresetTraining>;

const Percent = z.number().min(0).max(100);

/** Published top-1 accuracies in percent. */
export const PublishedAccuracy = z.strictObject({
  /** The teacher alone. */
  teacher: Percent,
  /** The student alone. */
  student: Percent,
  /** The student distilled from this teacher. */
  review: Percent,
  /** The same in an independent re-run, if there is one. */
  rerun: Percent.optional(),
});
export type PublishedAccuracy = z.infer<typeof PublishedAccuracy>;

/** A field of a preset that is less certain than the rest. */
export const PresetMark = z.strictObject({
  /** Path of the field, with dots between the keys: `"method.weight"`. */
  field: z.string().min(1),
  /** `"memory"`: quoted from memory; `"re-run"`: from an independent re-run; `"ours"`: chosen for this package. */
  origin: z.enum(["memory", "re-run", "ours"]),
  /** Further explanation. */
  note: z.string().min(1).optional(),
});
export type PresetMark = z.infer<typeof PresetMark>;

/** Named settings. */
export const Preset = z.strictObject({
  name: z.string().min(1),
  /** One sentence. */
  description: z.string().min(1),
  /**
   * `"published"`: as in a publication or its code, except for `marks`; `"ours"`: chosen for this package, not
   * comparable with published figures.
   */
  origin: z.enum(["published", "ours"]),
  /** Source of settings and accuracies. */
  source: z.string().min(1),
  /** The data set it is meant for. */
  dataset: z.enum(["cifar100", "imagenet"]),
  /** Names of networks, if the preset is for one pair. */
  teacher: z.string().optional(),
  student: z.string().optional(),
  method: Method,
  training: PresetTraining,
  published: PublishedAccuracy.optional(),
  marks: z.array(PresetMark).default([]),
});
export type Preset = z.infer<typeof Preset>;
export type PresetInput = z.input<typeof Preset>;
