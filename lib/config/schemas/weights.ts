import { z } from "zod";
import { ClassNames, Count, Device, Metadata, NonNegativeNumber, PositiveCount, Shape } from "./common.js";
import { Preprocessing, RecordedPreprocessing } from "./data.js";
import { DetectorSwitches, Flavor, StateNames } from "./detection/detector.js";

/** Element types that a weights file can hold. */
export const StoredDType = z.enum(["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8",
  "uint8", "bool"]);
export type StoredDType = z.infer<typeof StoredDType>;

/**
 * File format by its content: safetensors, PyTorch's zip archive (since 1.6) or its earlier stream of pickles, or a
 * pickle of NumPy arrays as detectron2's model zoo has it.
 */
export const WeightsFormat = z.enum(["safetensors", "pytorch-zip", "pytorch-legacy", "numpy-pickle"]);
export type WeightsFormat = z.infer<typeof WeightsFormat>;

/** Selects one of a file's state dicts. */
export const WeightsChoice = z.strictObject({
  /**
   * The dictionary that holds it, for example `"model_ema"`, or its path with dots between the names; or the beginning
   * of the names of one of several networks in the same dictionary, for example `"teacher"` for `teacher.conv1.weight`.
   * Default: the only one, or the only one under a common name such as `"model"`, `"state_dict"` or `"student"`.
   */
  key: z.string().min(1).optional(),
});
export interface WeightsChoice extends z.infer<typeof WeightsChoice> {}

/** Options for loading parameters into a network. */
export const LoadOptions = WeightsChoice.extend({
  /** Names and shapes must agree; false: loads what fits, at least one entry, and reports the rest. */
  strict: z.boolean().default(true),
});
export interface LoadOptionsInput extends z.input<typeof LoadOptions> {}

/** Heads of a detector, as its name begins. */
export const DetectorKind = z.enum(["faster-rcnn", "mask-rcnn", "retinanet"]);
export type DetectorKind = z.infer<typeof DetectorKind>;

/** Whose names a file has: torchvision's, those of its detectors until 0.12, or detectron2's and Caffe2's. */
export const FileNames = z.enum(["torchvision", "torchvision-old", "detectron2"]);
export type FileNames = z.infer<typeof FileNames>;

/** Ids of a data set's categories, one per class without the background, in label order. */
export const CategoryIds = z.array(Count).readonly();

/** A detector's weights file: what is needed to create the detector that it was saved from. */
export const DetectorFileInfo = z.strictObject({
  kind: DetectorKind,
  names: FileNames,
  /** From the file's metadata, or else by its names. */
  flavor: Flavor,
  /** Switches that differ from the flavor's defaults; `null` if the metadata of them is invalid. */
  switches: DetectorSwitches.nullable(),
  /** With the background for Faster R-CNN and Mask R-CNN; `null` if its heads are others than the package's. */
  numClasses: PositiveCount.nullable(),
  categoryIds: CategoryIds.nullable(),
});
export interface DetectorFileInfo extends z.infer<typeof DetectorFileInfo> {}

/** Description of a weights file, without its values. */
export const WeightsInfo = z.strictObject({
  format: WeightsFormat,
  /** Metadata of the file; for a pickle, the strings, numbers and booleans alongside its state dict. */
  metadata: z.record(z.string(), z.string()),
  /** Class names of the training data; `null` if the file has none. */
  classNames: z.array(z.string()).nullable(),
  /** Input of the network, as far as the file records it. */
  preprocessing: Preprocessing.partial(),
  /** In file order, without the prefixes of {@link WeightsInfo.selection}. */
  tensors: z.array(z.strictObject({ name: z.string(), dtype: StoredDType, shape: Shape })),
  /** Number of trainable parameters, inferred from names and dtypes. */
  parameters: Count,
  /** How the tensors were found in the file. */
  selection: z.strictObject({
    /** Path of the dictionary that holds them; empty if the file holds nothing else. */
    key: z.string(),
    /** Prefixes stripped from every name, for example `"module."`. */
    prefixes: z.array(z.string()),
    /** Number of other tensors that do not belong to the network, such as an optimizer's or a teacher's. */
    leftAside: Count,
    /** Names of those among them in the same state dict, such as counters of other tools: `n_averaged`, metrics. */
    leftAsideNames: z.array(z.string()),
    /**
     * Values that are not read, at most 1000: objects of other classes, which are never created, and tensors of types
     * that no weights file of this package holds. `name`: the names that lead to it, with dots.
     */
    unread: z.array(z.strictObject({ name: z.string(), type: z.string() })),
  }),
  /** `null` unless the names are those of a detector. */
  detector: DetectorFileInfo.nullable(),
});
export interface WeightsInfo extends z.infer<typeof WeightsInfo> {}

/** An entry whose shape differs from the network's. */
const ShapeMismatch = z.strictObject({ name: z.string(), expected: Shape, got: Shape });

/** Differences between a state dict and a network. */
const StateDifferences = z.strictObject({
  /** Names only in the network: these keep their values. */
  missing: z.array(z.string()),
  /** Names only in the state dict. */
  unexpected: z.array(z.string()),
  /** Names in both with different shapes: these keep their values, too. */
  mismatched: z.array(ShapeMismatch),
});

/** Result of loading a state dict into a network. */
export const LoadReport = StateDifferences.extend({
  /** Number of loaded entries; 0 only for an empty state dict, because another one that matches nothing is an error. */
  matched: Count,
  /** Of a file: prefixes taken off the names, outermost first, for example `["module.", "net."]`. */
  prefixes: z.array(z.string()),
  /** Of a file: whose names were renamed, for example `"timm's MobileNetV2"`; empty for the network's own. */
  layout: z.string(),
  /** Of a file: names of other tensors that belong to no network, such as counters of other tools. */
  leftAside: z.array(z.string()),
});
export interface LoadReport extends z.infer<typeof LoadReport> {}

/** Result of loading a file into a detector. */
export const DetectorLoadReport = LoadReport.extend({
  /**
   * Names in the file without a place in a detector, which are no error: the classifier of an ImageNet network and
   * heads in a file of `backboneWeights`, counters of norms that are frozen, and constants of detectron2.
   */
  unused: z.array(z.string()),
  names: FileNames,
  /** Of the detector. */
  flavor: Flavor,
  /** Of the detector's frozen norms; `null` if they are trained. */
  normEps: NonNegativeNumber.nullable(),
});
export interface DetectorLoadReport extends z.infer<typeof DetectorLoadReport> {}

/** Options for saving a classifier. */
export const ModelSaveOptions = RecordedPreprocessing.partial().extend({
  /** Height and width, or one number for both. */
  imageSize: z.union([PositiveCount.transform((side): [number, number] => [side, side]),
    RecordedPreprocessing.shape.imageSize]).optional(),
  /** Text that the file holds in addition. */
  metadata: Metadata.default({}),
  /** One name per class. This and the rest default to what the network was loaded or trained with. */
  classNames: ClassNames.readonly().optional(),
});
export interface ModelSaveOptionsInput extends z.input<typeof ModelSaveOptions> {}

/** Options for saving a detector. */
export const DetectorSaveOptions = z.strictObject({
  /** Text that the file holds in addition. */
  metadata: Metadata.default({}),
  /** Default: those of torchvision. */
  names: StateNames.default("torchvision"),
  /** One name per class, without the background. Default: those that the detector was loaded with. */
  classNames: ClassNames.readonly().optional(),
  /** The ids of the classes in a data set, such as COCO's. */
  categoryIds: CategoryIds.optional(),
});
export interface DetectorSaveOptionsInput extends z.input<typeof DetectorSaveOptions> {}

/** The network of the registry that best matches a file's names and shapes. */
export const ArchitectureMatch = z.strictObject({
  name: z.string(),
  /** From the file's classifier. */
  numClasses: PositiveCount,
  /** Number of the network's entries that the file contains with the same name and shape, and the total. */
  matching: Count,
  entries: Count,
  differences: StateDifferences,
  /** In front of the names in the file, as the last prefix of {@link WeightsInfo.selection}; empty if nothing is. */
  prefix: z.string(),
  /** Whose names the file has, for example `"Hugging Face's ResNet"`; empty for the network's own. */
  layout: z.string(),
  /** Why other outputs come from the same weights there, so that only `strict: false` loads them; or empty. */
  difference: z.string(),
  /** Other prefixes under which the file has a network, too: a key chooses one. */
  otherPrefixes: z.array(z.string()),
});
export interface ArchitectureMatch extends z.infer<typeof ArchitectureMatch> {}

/**
 * {@link WeightsInfo} and the matching network; `null` if no entry belongs to a known network. Tensors have the names
 * of that network.
 */
export const WeightsInspection = WeightsInfo.extend({ fit: ArchitectureMatch.nullable() });
export interface WeightsInspection extends z.infer<typeof WeightsInspection> {}

/** Options for converting a weights file. */
export const ConvertOptions = WeightsChoice.extend({
  /** Replace an existing file. */
  overwrite: z.boolean().default(false),
  /** Type to which floating point numbers are converted. Default: unchanged. */
  dtype: z.enum(["float64", "float32", "float16", "bfloat16"]).optional(),
  /** Added to the file's metadata. */
  metadata: Metadata.default({}),
});
export interface ConvertOptionsInput extends z.input<typeof ConvertOptions> {}

/** Options for creating the network of a run directory. */
export const LoadStudentOptions = z.strictObject({
  /** The network after the last epoch, or after the one with the best test accuracy. */
  checkpoint: z.enum(["last", "best"]).default("last"),
  device: Device.optional(),
});
export interface LoadStudentOptionsInput extends z.input<typeof LoadStudentOptions> {}

/** Options for exporting the network of a run directory. */
export const ExportOptions = z.strictObject({
  checkpoint: LoadStudentOptions.shape.checkpoint,
  overwrite: ConvertOptions.shape.overwrite,
  dtype: ConvertOptions.shape.dtype,
});
export interface ExportOptionsInput extends z.input<typeof ExportOptions> {}
