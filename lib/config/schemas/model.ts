import { z } from "zod";
import { FilePath } from "../file-path.js";
import { Count, Device, ModelDType, PositiveCount, Seed } from "./common.js";

/** Options for creating a network. */
export const ModelOptions = z.strictObject({
  /** Number of classes, the outputs of the last layer. */
  numClasses: z.int().min(1).default(100),
  /** Seeds the published initialisation. */
  seed: Seed.default(0),
  dtype: ModelDType.default("float32"),
  device: Device.default("cpu"),
  /**
   * A weights file that replaces the initialisation: `.safetensors`, `.pt`, `.pth`, or detectron2's `.pkl`; or the
   * index of several (`.index.json`).
   */
  weights: FilePath.optional(),
  /** Of `weights`, as of {@link Network.load}. */
  key: z.string().min(1).optional(),
  /** false: also loads weights that fit in part, such as those of a network with another number of classes. */
  strict: z.boolean().default(true),
});
export interface ModelOptions extends z.infer<typeof ModelOptions> {}
export interface ModelOptionsInput extends z.input<typeof ModelOptions> {}

/** The output of a stage for distillation, for one image size. */
export const FeatureSpec = z.strictObject({
  /** Name of the stage; the published module name if there is one. */
  name: z.string(),
  channels: PositiveCount,
  /** In pixels. */
  height: PositiveCount,
  width: PositiveCount,
});
export interface FeatureSpec extends z.infer<typeof FeatureSpec> {}

/** An entry of the model registry. */
export const ModelInfo = z.strictObject({
  name: z.string(),
  /** The paper or code that the architecture follows. */
  source: z.string(),
  /** Image size of the published results, in pixels. */
  imageSize: z.tuple([PositiveCount, PositiveCount]),
  numClasses: PositiveCount,
  /** Parameters with the published number of classes. */
  parameters: Count,
  features: z.array(FeatureSpec),
});
export interface ModelInfo extends z.infer<typeof ModelInfo> {}
