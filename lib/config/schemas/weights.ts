import { z } from "zod";
import { Count, PositiveCount, Shape } from "./common.js";

/** Element types that a weights file can hold. */
export const StoredDType = z.enum(["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]);
export type StoredDType = z.infer<typeof StoredDType>;

/** Told by the content, whatever the name: PyTorch's zip archive (from 1.6 on) and the stream of pickles before it. */
export const WeightsFormat = z.enum(["safetensors", "pytorch-zip", "pytorch-legacy"]);
export type WeightsFormat = z.infer<typeof WeightsFormat>;

/** Which state dict of a file is meant. */
export const WeightsChoice = z.strictObject({
  /**
   * The dictionary that holds it, `"model_ema"` say, or its path with dots between the names. Omitted: the only one there is, or
   * the only one under a name that state dicts go by, such as `"model"`, `"state_dict"` or `"student"`.
   */
  key: z.string().min(1).optional(),
});
export type WeightsChoice = z.infer<typeof WeightsChoice>;

/** How parameters are read into a network. */
export const LoadOptions = WeightsChoice.extend({
  /** Names and shapes must agree; false: what fits is loaded, and the rest is reported. */
  strict: z.boolean().default(true),
});
export type LoadOptionsInput = z.input<typeof LoadOptions>;

/** What a weights file says of itself, without its values. */
export const WeightsInfo = z.strictObject({
  format: WeightsFormat,
  /** Text that the file carries; of a PyTorch file the text, numbers and truth values beside its state dict. */
  metadata: z.record(z.string(), z.string()),
  /** Of the data that the network was trained on; `null` where the file does not say. */
  classNames: z.array(z.string()).nullable(),
  /** In the order of the file, under the names that a network has for them. */
  tensors: z.array(z.strictObject({ name: z.string(), dtype: StoredDType, shape: Shape })),
  /** Trainable values, as far as names and types tell. */
  parameters: Count,
  /** How the tensors were found in the file. */
  selection: z.strictObject({
    /** Path of the dictionary that holds them; empty where the file holds nothing else. */
    key: z.string(),
    /** Taken off every name, `"module."` say. */
    prefixes: z.array(z.string()),
    /** Tensors beside them that no network would get: an optimizer's, a teacher's. */
    leftAside: Count,
  }),
});
export type WeightsInfo = z.infer<typeof WeightsInfo>;

/** An entry that a network has in another shape. */
const ShapeMismatch = z.strictObject({ name: z.string(), expected: Shape, got: Shape });

/** What a state dict and a network did not have in common. */
export const LoadReport = z.strictObject({
  /** Names of the network alone: these keep their values. */
  missing: z.array(z.string()),
  /** Names of the state dict alone. */
  unexpected: z.array(z.string()),
  /** Of both, with other shapes: these keep their values, too. */
  mismatched: z.array(ShapeMismatch),
});
export type LoadReport = z.infer<typeof LoadReport>;

/** The network of the registry that names and shapes of a file speak for. */
export const ArchitectureMatch = z.strictObject({
  name: z.string(),
  /** As the file's classifier has it. */
  numClasses: PositiveCount,
  /** How many of the network's entries the file has, name and shape, and how many entries there are. */
  matching: Count,
  entries: Count,
  differences: LoadReport,
});
export type ArchitectureMatch = z.infer<typeof ArchitectureMatch>;

/** {@link WeightsInfo}, and which network the file is of; `null` where no entry is one of a known network. */
export const WeightsInspection = WeightsInfo.extend({ fit: ArchitectureMatch.nullable() });
export type WeightsInspection = z.infer<typeof WeightsInspection>;

/** How a file of weights is written anew. */
export const ConvertOptions = WeightsChoice.extend({
  /** Replace a file that is there. */
  overwrite: z.boolean().default(false),
  /** What floating point numbers become; omitted: each stays what it is. */
  dtype: z.enum(["float64", "float32", "float16", "bfloat16"]).optional(),
  /** Added to what the file carries. */
  metadata: z.record(z.string(), z.string()).default({}),
});
export type ConvertOptionsInput = z.input<typeof ConvertOptions>;

/** Which network of a run directory is written, and where. */
export const ExportOptions = z.strictObject({
  /** After the last epoch, or after the one with the best test accuracy. */
  checkpoint: z.enum(["last", "best"]).default("last"),
  overwrite: ConvertOptions.shape.overwrite,
  dtype: ConvertOptions.shape.dtype,
});
export type ExportOptionsInput = z.input<typeof ExportOptions>;
