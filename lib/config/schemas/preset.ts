import { z } from "zod";
import { CocoSource } from "./detection/data.js";
import { Method } from "./method.js";
import { NetworkConfig } from "./run-config.js";
import { TrainingOptions, withEnd } from "./training.js";

/** The training options of a preset: everything that a publication determines, nothing specific to the machine. */
export const PresetTraining = withEnd(TrainingOptions.pick({
  epochs: true,
  maxSteps: true,
  batchSize: true,
  optimizer: true,
  schedule: true,
  augment: true,
  microBatches: true,
  accumulateBatches: true,
  clipNorm: true,
}));
export interface PresetTraining extends z.infer<typeof PresetTraining> {}

const Percent = z.number().min(0).max(100);

/** Average precisions at one overlap, as far as they are published. */
const AtOverlap = z.strictObject({
  teacher: Percent.optional(),
  student: Percent.optional(),
  review: Percent.optional(),
});

/** Published results in percent, on the test images of the data set. */
export const PublishedResults = z.strictObject({
  /** Top-1 accuracy; of detectors COCO's average precision of boxes, or of masks for Mask R-CNN. */
  metric: z.enum(["top-1", "box AP", "mask AP"]).default("top-1"),
  /** The teacher alone. */
  teacher: Percent,
  /** The student alone. */
  student: Percent,
  /** The student distilled from this teacher. */
  review: Percent,
  /** The same in an independent re-run, if there is one. */
  rerun: Percent.optional(),
  /** The student alone as the paper has it, if `student` is from another source. */
  studentInPaper: Percent.optional(),
  /** Average precisions at overlaps of 0.5 and of 0.75. */
  ap50: AtOverlap.optional(),
  ap75: AtOverlap.optional(),
});
export interface PublishedResults extends z.infer<typeof PublishedResults> {}

/** Settings of a detector in addition to its name. */
const PresetDetector = NetworkConfig.pick({ flavor: true, detection: true });

/** A field of a preset that is less certain than the rest. */
export const PresetMark = z.strictObject({
  /** Path of the field, with dots between the keys: `"method.weight"`. */
  field: z.string().min(1),
  /**
   * `"memory"`: quoted from memory; `"re-run"`: from an independent re-run; `"ours"`: chosen for this package;
   * `"quirk"`: a quirk of the published code, kept unless a run has `publishedQuirks: false`.
   */
  origin: z.enum(["memory", "re-run", "ours", "quirk"]),
  /** Further explanation. */
  note: z.string().min(1).optional(),
});
export interface PresetMark extends z.infer<typeof PresetMark> {}

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
  dataset: z.enum(["cifar100", "imagenet", "coco"]),
  /** Settings of the data. */
  data: z.strictObject({ trainSizes: CocoSource.shape.trainSizes }).optional(),
  /** Names of networks, if the preset is for one pair. */
  teacher: z.string().optional(),
  student: z.string().optional(),
  /** Of detectors: their settings, which belong to these two networks only. */
  detectors: z.strictObject({ student: PresetDetector.default({}), teacher: PresetDetector.default({}) }).optional(),
  method: Method,
  training: PresetTraining,
  published: PublishedResults.optional(),
  marks: z.array(PresetMark).default([]),
});
export interface Preset extends z.infer<typeof Preset> {}
export interface PresetInput extends z.input<typeof Preset> {}
