import { z } from "zod";
import { Count, Device, ModelDType, PositiveCount, Seed } from "./common.js";

/** How a network is built. */
export const ModelOptions = z.strictObject({
  numClasses: z.int().min(1).default(100),
  /** Seeds the published initialisation. */
  seed: Seed.default(0),
  dtype: ModelDType.default("float32"),
  device: Device.default("cpu"),
  /** A file whose entries replace the initialisation: `.safetensors`, or a `.pt` or `.pth` of PyTorch. */
  weights: z.string().min(1).optional(),
});
export type ModelOptions = z.infer<typeof ModelOptions>;
export type ModelOptionsInput = z.input<typeof ModelOptions>;

/** What a stage hands to distillation, for one image size. */
export const FeatureSpec = z.strictObject({
  /** Name of the stage, the published module name where there is one. */
  name: z.string(),
  channels: PositiveCount,
  /** Pixels. */
  height: PositiveCount,
  width: PositiveCount,
});
export type FeatureSpec = z.infer<typeof FeatureSpec>;

/** A row of the model registry. */
export const ModelInfo = z.strictObject({
  name: z.string(),
  /** The paper or code that the architecture follows. */
  source: z.string(),
  /** Image size of the published results, pixels. */
  imageSize: z.tuple([PositiveCount, PositiveCount]),
  numClasses: PositiveCount,
  /** Parameters with the published number of classes. */
  parameters: Count,
  features: z.array(FeatureSpec),
});
export type ModelInfo = z.infer<typeof ModelInfo>;
