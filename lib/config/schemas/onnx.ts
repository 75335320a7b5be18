import { z } from "zod";
import { ClassNames, Count, ImageSide, Metadata, PositiveCount } from "./common.js";
import { RecordedPreprocessing } from "./data.js";
import { Evaluation } from "./epoch.js";

/** The oldest and the newest version of ONNX's operators that files are written for. */
const [OLDEST_OPSET, NEWEST_OPSET] = [17, 22];

/** Options of exporting a network as an ONNX file. */
export const OnnxOptions = z.strictObject({
  /**
   * Height and width of the images that the file's user passes, or one number for both. Default: those of a
   * classifier's training; of a detector its `minSize`, by 4/3 of it.
   */
  imageSize: z.union([ImageSide, z.tuple([ImageSide, ImageSide]).readonly()]).optional(),
  /** Of weights and of the arithmetic of layers. Inputs, outputs and the boxes of detectors are float32 in any case. */
  dtype: z.enum(["float32", "float16"]).default("float32"),
  /** The version of ONNX's operators. */
  opset: z.int().min(OLDEST_OPSET).max(NEWEST_OPSET).default(OLDEST_OPSET),
  /**
   * Of a classifier: `{ mean, std }` that becomes a part of the file, which then takes values from 0 to 1; `false`: its
   * user normalizes. Default: that of the training. A detector always has its own.
   */
  normalization: z.union([z.literal(false), RecordedPreprocessing.shape.normalization]).optional(),
  /** Of a classifier in float32: weights and activations as 8-bit numbers, by the images of `calibration`. */
  quantize: z.literal("int8").optional(),
  /** Images of `calibration` that the ranges of activations are measured on. */
  calibrationImages: PositiveCount.default(512),
  /** One name per class. Default: those that the network was loaded or trained with. */
  classNames: ClassNames.readonly().optional(),
  /** Added to the file's metadata. */
  metadata: Metadata.default({}),
});
export interface OnnxOptions extends z.infer<typeof OnnxOptions> {}

/** An input or output of an ONNX file: sizes, or `"batch"` for the one that its user chooses. */
const OnnxValue = z.strictObject({ name: z.string(), shape: z.array(z.union([Count, z.string()])) });

/** An ONNX file that was written. */
export const OnnxFile = z.strictObject({
  path: z.string(),
  bytes: PositiveCount,
  opset: PositiveCount,
  dtype: z.enum(["float32", "float16", "int8"]),
  imageSize: z.tuple([PositiveCount, PositiveCount]).readonly(),
  inputs: z.array(OnnxValue),
  outputs: z.array(OnnxValue),
  /** How many there are of each operator. */
  operators: z.record(z.string(), PositiveCount),
  /** Of the network, and the multiply-adds of one image of this size. */
  parameters: PositiveCount,
  multiplyAdds: PositiveCount,
  /** `null` unless it was quantized. */
  quantization: z.strictObject({
    /** Number of images that the ranges were measured on. */
    calibrationImages: PositiveCount,
    /** On the images of `test`, in float32 and in int8; `null` without them. */
    before: Evaluation.nullable(),
    after: Evaluation.nullable(),
  }).nullable(),
});
export interface OnnxFile extends z.infer<typeof OnnxFile> {}
