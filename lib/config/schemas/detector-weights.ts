import { z } from "zod";
import { Count, NonNegativeNumber, PositiveCount } from "./common.js";
import { DetectorSwitches, Flavor, StateNames } from "./detection.js";
import { LoadReport } from "./load-report.js";

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
export type DetectorFileInfo = z.infer<typeof DetectorFileInfo>;

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
export type DetectorLoadReport = z.infer<typeof DetectorLoadReport>;

/** Options for saving a detector. */
export const DetectorSaveOptions = z.strictObject({
  metadata: z.record(z.string(), z.string()).default({}),
  /** Default: those of torchvision. */
  names: StateNames.default("torchvision"),
  /** One name per class, without the background. Default: those that the detector was loaded with. */
  classNames: z.array(z.string()).readonly().optional(),
  categoryIds: CategoryIds.optional(),
});
export type DetectorSaveOptionsInput = z.input<typeof DetectorSaveOptions>;
