import { z } from "zod";
import { FilePath } from "../../file-path.js";
import { Count, Device, ModelDType, NonNegativeNumber, PositiveCount, PositiveNumber, Seed } from "../common.js";

/**
 * Whose definition is followed where torchvision and detectron2 differ: in resizing, rounding, samples, losses and
 * normalizers. Weights of either belong to its flavor.
 */
export const Flavor = z.enum(["torchvision", "detectron2"]);
export type Flavor = z.infer<typeof Flavor>;

/** Names, shapes and order of rows of a detector's state dict. */
export const StateNames = z.enum(["torchvision", "detectron2"]);
export type StateNames = z.infer<typeof StateNames>;

/** Options of a detector's state dict. */
export const StateDictOptions = z.strictObject({
  /** Default: those of torchvision. */
  names: StateNames.optional(),
});
export interface StateDictOptionsInput extends z.input<typeof StateDictOptions> {}

/** Height and width in pixels. */
export const Size = z.tuple([PositiveCount, PositiveCount]).readonly();
export type Size = z.infer<typeof Size>;

/** Weights of a box's deltas: x, y, width, height. */
export const BoxWeights = z.tuple([PositiveNumber, PositiveNumber, PositiveNumber, PositiveNumber]).readonly();
export type BoxWeights = z.infer<typeof BoxWeights>;

const Three = z.tuple([z.number(), z.number(), z.number()]).readonly();
const PositiveThree = z.tuple([PositiveNumber, PositiveNumber, PositiveNumber]).readonly();
const Fraction = z.number().min(0).max(1);
const AnchorSizes = z.array(z.array(PositiveNumber).min(1).readonly()).min(1).readonly();
const Ratios = z.array(PositiveNumber).min(1).readonly();

/** How anchors are made; their order belongs to functions that return them. */
const anchorSwitches = {
  /** Round the corners of anchors to whole pixels, half to even. */
  anchorRounding: z.boolean().optional(),
  /** The padded image's size // the map's size, or twice as much from level to level. */
  anchorStrides: z.enum(["from-maps", "fixed"]).optional(),
};

/** How the level of a region is chosen: a small number that is added after or within the logarithm. */
const levelSwitches = {
  /** A small number that keeps the logarithm of a region's side finite. */
  roiLevelEps: NonNegativeNumber.optional(),
  /** Whether it is added within the logarithm, or after it. */
  roiLevelEpsInLog: z.boolean().optional(),
};

/** Options of all detectors. */
const shared = {
  /** Short side of resized images; null: images are not resized. */
  minSize: PositiveCount.nullable().optional(),
  /** Upper bound of the long side. */
  maxSize: PositiveCount.optional(),
  /** Bilinear on normalized values, or with a filter on bytes, as Pillow does it. */
  resize: Flavor.optional(),
  /** input = (channels in the network's order · pixelScale - imageMean) / imageStd, of values from 0 to 1. */
  imageMean: Three.optional(),
  /** The divisor of that formula, by channel. */
  imageStd: PositiveThree.optional(),
  /**
   * Apply mean and std to the channels in reverse. Knowledge Review's published configurations of ResNet18 students
   * (ReviewKD-R18-R101, ReviewKD-R18-R101-Mask) do so: they read RGB with the statistics in the order of BGR.
   */
  reverseImageStats: z.boolean().optional(),
  /** The network's order of the channels. */
  channelOrder: z.enum(["rgb", "bgr"]).optional(),
  /** Largest value of a pixel for the network. */
  pixelScale: z.union([z.literal(1), z.literal(255)]).optional(),
  /** Norms of the backbone. Default: `"frozen"` if it is given weights, which random values need for learning. */
  norm: z.enum(["frozen", "batch"]).optional(),
  /** Of frozen norms; torchvision's three files of 2019 need 0. */
  normEps: NonNegativeNumber.optional(),
  /** The convolution of bottlenecks that has the stride; `"1x1"` for MSRA's and detectron2's ResNets. */
  bottleneckStride: z.enum(["3x3", "1x1"]).optional(),
  /** Stages of the backbone that are trained, from the last one on; 5: with the stem. Default: 3, 5 without weights. */
  trainableLayers: z.int().min(0).max(5).optional(),
  /** Channels of each level of the pyramid. Default: 256. */
  pyramidChannels: PositiveCount.max(4096).optional(),
  /** By level, shallow to deep: sides of square anchors in pixels. */
  anchorSizes: AnchorSizes.optional(),
  /** Height / width. */
  anchorRatios: Ratios.optional(),
  ...anchorSwitches,
  /** First values of the heads. */
  initialization: Flavor.optional(),
  /** Clip boxes to the original image and drop those without an area. */
  clipDetections: z.boolean().optional(),
};

/** Options of Faster R-CNN and Mask R-CNN, in addition to the shared ones. */
const twoStage = {
  /** Overlap from which an anchor is an object for the region proposal network. */
  rpnFgIouThresh: Fraction.optional(),
  /** Overlap below which an anchor is background. */
  rpnBgIouThresh: Fraction.optional(),
  /** Anchors of an image that its losses sample. */
  rpnBatchSizePerImage: PositiveCount.optional(),
  /** Fraction of them that are objects, at most. */
  rpnPositiveFraction: Fraction.optional(),
  /** Proposals of a level before suppression, in training. */
  rpnPreNmsTopNTrain: PositiveCount.optional(),
  /** Proposals of a level before suppression, in inference. */
  rpnPreNmsTopNTest: PositiveCount.optional(),
  /** Proposals after suppression, in training. */
  rpnPostNmsTopNTrain: PositiveCount.optional(),
  /** Proposals after suppression, in inference. */
  rpnPostNmsTopNTest: PositiveCount.optional(),
  /** Overlap above which the proposal with the lower score is dropped. */
  rpnNmsThresh: Fraction.optional(),
  /** Sides that a proposal has at least; 0: more than 0. */
  rpnMinSize: NonNegativeNumber.optional(),
  /** Scale of the deltas x, y, w, h of proposals. */
  rpnBoxWeights: BoxWeights.optional(),
  /** Of smooth L1; 0: L1. */
  rpnBoxLossBeta: NonNegativeNumber.optional(),
  /** Divisor of the losses: the anchors that were sampled, or `rpnBatchSizePerImage` for each image. */
  rpnLossNormalizer: z.enum(["sampled", "batch-size"]).optional(),
  /** Overlap from which a proposal is an object. */
  boxFgIouThresh: Fraction.optional(),
  /** Overlap below which a proposal is background. */
  boxBgIouThresh: Fraction.optional(),
  /** Proposals of an image that the losses sample. */
  boxBatchSizePerImage: PositiveCount.optional(),
  /** Fraction of them that are objects, at most. */
  boxPositiveFraction: Fraction.optional(),
  /** Scale of the deltas x, y, w, h of boxes. */
  boxRegWeights: BoxWeights.optional(),
  boxLossBeta: NonNegativeNumber.optional(),
  /** Lowest score of a detection. */
  boxScoreThresh: Fraction.optional(),
  /** Overlap above which the detection with the lower score is dropped. */
  boxNmsThresh: Fraction.optional(),
  /** Most detections of an image. */
  boxDetectionsPerImg: PositiveCount.optional(),
  /** Sides that a detection has at least; null: any. */
  boxMinSize: NonNegativeNumber.nullable().optional(),
  /** Samples in each direction of a cell; 0: as many as the region has pixels. */
  roiSamplingRatio: Count.optional(),
  /** Whether pixel centers lie at 0.5 rather than at 0. */
  roiAligned: z.boolean().optional(),
  ...levelSwitches,
  /** Targets of masks: averages of the object's bitmap, or 0 and 1. */
  maskTargets: z.enum(["soft", "binary"]).optional(),
  /** How masks are resized to their boxes. */
  maskPaste: Flavor.optional(),
};

/** Options of RetinaNet, in addition to the shared ones. */
const oneStage = {
  /** Overlap from which an anchor is an object. */
  fgIouThresh: Fraction.optional(),
  /** Overlap below which an anchor is background. */
  bgIouThresh: Fraction.optional(),
  /** Lowest score of a detection. */
  scoreThresh: Fraction.optional(),
  /** Overlap above which the detection with the lower score is dropped. */
  nmsThresh: Fraction.optional(),
  /** Detections of a level before suppression. */
  topkCandidates: PositiveCount.optional(),
  /** Most detections of an image. */
  detectionsPerImg: PositiveCount.optional(),
  /** The loss of boxes. */
  boxLoss: z.enum(["l1", "smoothL1", "giou"]).optional(),
  /** Of smooth L1; 0: L1. */
  boxLossBeta: NonNegativeNumber.optional(),
  /** Divisor of the losses: each image's anchors of objects, or their running mean over batches. */
  retinaNetNormalizer: z.enum(["image", "running-mean"]).optional(),
  /** Clip boxes to the image before suppression rather than after it. */
  clipBeforeNms: z.boolean().optional(),
  /** The map that p6 is computed from: the pyramid's p5, or the backbone's last stage. */
  p6Source: z.enum(["p5", "c5"]).optional(),
};

export const TwoStageOptions = z.strictObject({ ...shared, ...twoStage });
export const OneStageOptions = z.strictObject({ ...shared, ...oneStage });

/** Switches of a detector of any kind. */
export const DetectorSwitches = z.strictObject({ ...shared, ...twoStage, ...oneStage });
export interface DetectorSwitches extends z.infer<typeof DetectorSwitches> {}

/** Options of a detector, named as torchvision's constructors name them. Default: those of the flavor. */
export interface DetectionOptions extends z.input<typeof DetectorSwitches> {}

/** Options for creating a detector. */
export const DetectorOptions = z.strictObject({
  /**
   * As torchvision counts: with the background, which is class 0, for Faster R-CNN and Mask R-CNN; without one for
   * RetinaNet. Default: as in the file of `weights`; 91, as torchvision's for COCO, without one.
   */
  numClasses: z.int().min(1).optional(),
  /** Default: that of the weights, which cannot be another; torchvision's without weights. */
  flavor: Flavor.optional(),
  /** Seeds the published initialisation. */
  seed: Seed.default(0),
  dtype: ModelDType.default("float32"),
  device: Device.default("cpu"),
  /**
   * A weights file of the whole detector: saved by the package, or torchvision's or detectron2's, in any format that
   * {@link Network.load} reads. Its flavor and switches are restored.
   */
  weights: FilePath.optional(),
  /**
   * A weights file of the backbone: an ImageNet classifier of torchvision or of the package, detectron2's and MSRA's
   * `R-50.pkl`, or a detector. Normalization of images and stride of bottlenecks are those of the file.
   */
  backboneWeights: FilePath.optional(),
  /** Of `weights` or `backboneWeights`, as of {@link Network.load}. */
  key: z.string().min(1).optional(),
  /** false: also loads files that fit in part, such as a detector's with another number of classes. */
  strict: z.boolean().default(true),
  detection: z.unknown().optional(),
});
/** Options for creating a detector. */
export interface DetectorOptionsInput extends Omit<z.input<typeof DetectorOptions>, "detection"> {
  /** Options of its parts. Default: those of the file, or of the flavor. */
  readonly detection?: DetectionOptions | undefined;
}

const STRIDES = [32, 64, 128, 256, 512];
const octaves = (round: (side: number) => number): number[][] =>
  STRIDES.map((side) => [side, round(side * 2 ** (1 / 3)), round(side * 2 ** (2 / 3))]);

interface FlavorDefaults {
  readonly shared: object;
  readonly twoStage: object;
  readonly oneStage: object;
}

const SHARED = {
  minSize: 800,
  maxSize: 1333,
  reverseImageStats: false,
  pyramidChannels: 256,
  normEps: 1e-5,
  anchorRatios: [0.5, 1, 2],
};
const TWO_STAGE = {
  rpnFgIouThresh: 0.7,
  rpnBgIouThresh: 0.3,
  rpnBatchSizePerImage: 256,
  rpnPositiveFraction: 0.5,
  rpnPreNmsTopNTrain: 2000,
  rpnPreNmsTopNTest: 1000,
  rpnPostNmsTopNTest: 1000,
  rpnNmsThresh: 0.7,
  rpnBoxWeights: [1, 1, 1, 1],
  boxFgIouThresh: 0.5,
  boxBgIouThresh: 0.5,
  boxBatchSizePerImage: 512,
  boxPositiveFraction: 0.25,
  boxRegWeights: [10, 10, 5, 5],
  boxScoreThresh: 0.05,
  boxNmsThresh: 0.5,
  boxDetectionsPerImg: 100,
  anchorSizes: STRIDES.map((side) => [side]),
};
const ONE_STAGE = {
  fgIouThresh: 0.5,
  bgIouThresh: 0.4,
  scoreThresh: 0.05,
  nmsThresh: 0.5,
  topkCandidates: 1000,
  maskPaste: "torchvision",
};

/** Defaults of each flavor: torchvision 0.29's constructors, and detectron2's FPN configurations. */
const FLAVORS: Readonly<Record<Flavor, FlavorDefaults>> = {
  torchvision: {
    shared: { ...SHARED, resize: "torchvision", imageMean: [0.485, 0.456, 0.406], imageStd: [0.229, 0.224, 0.225],
      channelOrder: "rgb", pixelScale: 1, bottleneckStride: "3x3", anchorRounding: true, anchorStrides: "from-maps",
      initialization: "torchvision", clipDetections: false },
    twoStage: { ...TWO_STAGE, rpnPostNmsTopNTrain: 2000, rpnMinSize: 1e-3, rpnBoxLossBeta: 1 / 9,
      rpnLossNormalizer: "sampled", boxLossBeta: 1 / 9, boxMinSize: 1e-2, roiSamplingRatio: 2, roiAligned: false,
      roiLevelEps: 1e-6, roiLevelEpsInLog: false, maskTargets: "soft", maskPaste: "torchvision" },
    oneStage: { ...ONE_STAGE, detectionsPerImg: 300, boxLoss: "l1", boxLossBeta: 1, retinaNetNormalizer: "image",
      clipBeforeNms: true, p6Source: "p5", anchorSizes: octaves(Math.floor) },
  },
  detectron2: {
    shared: { ...SHARED, resize: "detectron2", imageMean: [103.53, 116.28, 123.675], imageStd: [1, 1, 1],
      channelOrder: "bgr", pixelScale: 255, bottleneckStride: "1x1", anchorRounding: false, anchorStrides: "fixed",
      initialization: "detectron2", clipDetections: true },
    twoStage: { ...TWO_STAGE, rpnPostNmsTopNTrain: 1000, rpnMinSize: 0, rpnBoxLossBeta: 0,
      rpnLossNormalizer: "batch-size", boxLossBeta: 0, boxMinSize: null, roiSamplingRatio: 0, roiAligned: true,
      roiLevelEps: 1e-8, roiLevelEpsInLog: true, maskTargets: "binary", maskPaste: "detectron2" },
    oneStage: { ...ONE_STAGE, detectionsPerImg: 100, boxLoss: "smoothL1", boxLossBeta: 0,
      retinaNetNormalizer: "running-mean", clipBeforeNms: false, p6Source: "c5", anchorSizes: octaves((side) => side) },
  },
};

/** Options without a value do not hide a default. */
const withoutUndefined = (options: object): object =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

/** One-stage or two-stage: which switches and defaults a detector has. */
export type DetectorStages = "two-stage" | "one-stage";

/** Of a detector by its name, or the kind that its name begins with. */
export function stagesOf(name: string): DetectorStages {
  return name.startsWith("retinanet") ? "one-stage" : "two-stage";
}

/** All switches of a detector: the flavor's defaults under these options, the last of which wins. */
export function detectorSwitches(stages: DetectorStages, flavor: Flavor, ...options: object[]): DetectorSwitches {
  const { shared: all, twoStage: two, oneStage: one } = FLAVORS[flavor];
  return Object.assign({}, all, stages === "two-stage" ? two : one, ...options.map(withoutUndefined)) as object;
}

/** The switches that are not their flavor's default. */
export function ownSwitches(stages: DetectorStages, flavor: Flavor, switches: DetectorSwitches): DetectorSwitches {
  const defaults: Readonly<Record<string, unknown>> = { ...detectorSwitches(stages, flavor) };
  return Object.fromEntries(
    Object.entries(switches).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(defaults[name])),
  );
}

/** The switches as native code reads them. */
export function nativeSwitches({ anchorSizes, anchorRatios, ...rest }: DetectorSwitches): object {
  // State dicts of both flavors are kept in torchvision's order of channels.
  return { ...rest, sizes: anchorSizes, ratios: anchorRatios, anchorOrder: "ratio-major" };
}

/** Switches that weights of a backbone determine. */
const BACKBONE_SWITCHES = ["imageMean", "imageStd", "reverseImageStats", "channelOrder", "pixelScale",
  "bottleneckStride"] as const;

/** Those switches, or else the flavor's, as the backbone was trained. */
export function backboneSwitches(flavor: Flavor, switches: DetectorSwitches): DetectorSwitches {
  const all = { ...FLAVORS[flavor].shared, ...withoutUndefined(switches) } as DetectorSwitches;
  return Object.fromEntries(BACKBONE_SWITCHES.map((name) => [name, all[name]]));
}

/** Options of functions that make anchors. */
export const AnchorOptions = z.strictObject({
  /** By level, shallow to deep: sides of square anchors in pixels. */
  sizes: AnchorSizes,
  /** Height / width. */
  ratios: Ratios,
  flavor: Flavor.default("torchvision"),
  ...anchorSwitches,
  /** All sizes of a ratio one after the other, or all ratios of a size. */
  anchorOrder: z.enum(["ratio-major", "size-major"]).optional(),
});
export interface AnchorOptionsInput extends z.input<typeof AnchorOptions> {}

const ANCHOR_ORDERS = { torchvision: "ratio-major", detectron2: "size-major" } as const;

/** The switches of anchors for functions that return them. */
export function anchorSwitchesOf({ flavor, ...options }: z.infer<typeof AnchorOptions>): object {
  const { anchorRounding, anchorStrides } = FLAVORS[flavor].shared as Record<string, unknown>;
  return { anchorRounding, anchorStrides, anchorOrder: ANCHOR_ORDERS[flavor], ...withoutUndefined(options) };
}

/** Options of functions that choose levels. */
export const LevelOptions = z.strictObject({
  canonicalScale: PositiveNumber.default(224),
  canonicalLevel: z.number().default(4),
  flavor: Flavor.default("torchvision"),
  ...levelSwitches,
});

/** The switches by which a region's level is chosen. */
export function levelSwitchesOf({ flavor, ...options }: z.infer<typeof LevelOptions>): object {
  const { roiLevelEps, roiLevelEpsInLog } = FLAVORS[flavor].twoStage as Record<string, unknown>;
  return { roiLevelEps, roiLevelEpsInLog, ...withoutUndefined(options) };
}

/** A flavor's default of one switch. */
export function switchOf(flavor: Flavor, name: keyof DetectionOptions): unknown {
  const { shared: all, twoStage: two, oneStage: one } = FLAVORS[flavor];
  return ({ ...one, ...two, ...all } as Record<string, unknown>)[name];
}

/** Reduction of a loss: each value, their sum or their mean. */
export const Reduction = z.enum(["none", "sum", "mean"]);
export type Reduction = z.infer<typeof Reduction>;
