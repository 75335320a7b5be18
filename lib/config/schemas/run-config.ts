import { z } from "zod";
import { FilePath, filePath } from "../file-path.js";
import { RESUMABLE } from "./common.js";
import { StoredDataSource } from "./data.js";
import { DetectorSwitches, Flavor } from "./detection/detector.js";
import { Method } from "./method.js";
import { TrainingOptions, withEnd } from "./training.js";

/** A network by name. The data set determines its number of classes, `training.seed` its initialisation. */
export const NetworkConfig = z.strictObject({
  name: z.string().min(1).describe("the name of a network (`reviewkd models` lists them)"),
  /** A weights file to start from. */
  weights: FilePath.optional(),
  /** Which of several state dicts of its weights file is read, as of {@link Network.load}. */
  key: z.string().min(1).optional(),
  /** false: weights that fit in part are loaded as far as they do. Default: true. */
  strict: z.boolean().optional(),
  /** Of detectors: a weights file of the backbone alone, as of a classifier for ImageNet. */
  backboneWeights: FilePath.optional(),
  /** Of detectors: whose definition is followed. Default: torchvision's. */
  flavor: Flavor.optional(),
  /** Of detectors: options that differ from their flavor's. */
  detection: DetectorSwitches.optional(),
});
export interface NetworkConfig extends z.infer<typeof NetworkConfig> {}

/** A trained network: its weights are not optional. */
export const TeacherConfig = NetworkConfig.extend({
  weights: filePath(
    "a file of the teacher's trained weights (`reviewkd train` writes one: student.safetensors of its run directory)",
  ),
});
export interface TeacherConfig extends z.infer<typeof TeacherConfig> {}

/** Of runs and studies. */
export const presetOptions = {
  /** Name of a preset that provides the settings omitted here. */
  preset: z.string().min(1).optional(),
  /**
   * Scales the preset's learning rate, and inversely its steps, to this batch size where it is not the preset's, by the
   * linear rule of Goyal et al. (2017). Settings that are given here stay as they are. Default: the preset's settings.
   */
  linearScaling: z.boolean().optional(),
  /** Of a preset that keeps quirks of the published code: `false` leaves them out. Default: true. */
  publishedQuirks: z.boolean().optional(),
  /**
   * The directory that relative paths belong to. A run records the one in which it was started: resumed from another
   * one, it finds files that are not below that in this one.
   */
  workingDirectory: FilePath.optional().meta(RESUMABLE),
};

const shared = {
  ...presetOptions,
  data: StoredDataSource.prefault({ kind: "synthetic" }),
  /** Settings of the training. */
  training: withEnd(TrainingOptions).prefault({}),
};

/** Trains one network on labels alone. */
export const TrainConfig = z.strictObject({
  task: z.literal("train"),
  /** The network to train. */
  model: NetworkConfig,
  ...shared,
});

/** Trains a student under a frozen teacher. */
export const DistillConfig = z.strictObject({
  task: z.literal("distill"),
  /** The trained network that the student learns from. */
  teacher: TeacherConfig,
  /** The network to train. */
  student: NetworkConfig,
  method: Method.prefault({ kind: "review" }),
  ...shared,
});

/** The complete configuration of a run, as stored in `config.json` of a run directory and read by `--config`. */
export const RunConfig = z.discriminatedUnion("task", [TrainConfig, DistillConfig]);
export type RunConfig = z.infer<typeof RunConfig>;
export type RunConfigInput = z.input<typeof RunConfig>;

/** The default `kind` of each setting, for configurations that omit it. */
export const DEFAULT_KINDS = {
  train: { data: { kind: "synthetic" }, training: { optimizer: { kind: "sgd" }, schedule: { kind: "multi-step" } } },
  distill: {
    data: { kind: "synthetic" },
    method: { kind: "review" },
    training: { optimizer: { kind: "sgd" }, schedule: { kind: "multi-step" } },
  },
} as const;
