// Inner parts of detectors, for comparing them with other implementations. Lists by level run from shallow to deep,
// lists by image keep the order of the images; boxes are [N, 4], x1 y1 x2 y2.
import { z } from "zod";
import { Count, NonNegativeNumber, PositiveCount, Seed } from "../../config/schemas/common.js";
import { AnchorOptions, type AnchorOptionsInput, anchorSwitchesOf, BoxWeights, Flavor, LevelOptions, levelSwitchesOf,
  Size, switchOf } from "../../config/schemas/detection/detector.js";
import { assertObject, parse } from "../../config/validation.js";
import type { Detections } from "../detection/detector.js";
import type { StateDict, Tensor } from "../tensor.js";
import { ReviewKdError } from "../../errors.js";
import { call, type Tree, type WithGradients } from "./call.js";
import { expectCount, expectLabels, expectMaps, expectTargets, Shapes } from "./checks.js";

export type { AnchorOptionsInput };

const Iou = z.number().min(0).max(1);
const Sizes = z.array(Size).readonly();
/** Anchors that one call makes: 4 GiB of float64. */
const MOST_ANCHORS = 2 ** 27;

/** Objects of an image; masks are uint8 `[K, H, W]`. */
export interface FunctionTargets {
  readonly boxes: Tensor;
  readonly labels?: Tensor;
  readonly masks?: Tensor;
}

type Differentiated<Options, Output, Gradients> = Options extends { readonly gradientOfOutput: number | object }
  ? WithGradients<Output, Gradients>
  : Output;

/** Anchors around the origin by level, `[A, 4]`, float64. */
export async function cellAnchors(options: AnchorOptionsInput): Promise<Tensor[]> {
  return call("cellAnchors", {}, anchorSwitchesOf(parse(AnchorOptions, options, "anchor options")));
}

const GridOptions = AnchorOptions.extend({
  /** Of the batch, with its padding. */
  paddedImage: Size,
  /** Sizes of the levels' maps. */
  maps: Sizes,
});
/** Options of {@link anchors}. */
export interface GridOptionsInput extends z.input<typeof GridOptions> {}

/** Anchors of all positions by level, `[H · W · A, 4]`, float64, and the strides of the levels. */
export async function anchors(options: GridOptionsInput): Promise<{ levels: Tensor[]; strides: Size[] }> {
  const { paddedImage, maps, ...rest } = parse(GridOptions, options, "anchor options");
  const count = maps.reduce(
    (sum, [height, width], level) => sum + height * width * rest.ratios.length * (rest.sizes[level]?.length ?? 1),
    0,
  );
  if (count > MOST_ANCHORS) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid maps: expected at most ${MOST_ANCHORS} anchors, received ${count}. Pass the sizes of the pyramid's maps.`);
  }
  return call("anchors", {}, { ...anchorSwitchesOf(rest), paddedImage, maps });
}

const AssignOptions = LevelOptions.extend({ minLevel: Count, maxLevel: Count })
  .refine(({ minLevel, maxLevel }) => minLevel <= maxLevel, "a maxLevel of minLevel or more");
/** Options of {@link assignLevels}. */
export interface AssignOptionsInput extends z.input<typeof AssignOptions> {}

/** The level that each box is pooled from, int64, counted from `minLevel`. */
export async function assignLevels(boxes: Tensor, options: AssignOptionsInput): Promise<Tensor> {
  const { minLevel, maxLevel, ...rest } = parse(AssignOptions, options, "level options");
  return call("assignLevels", { boxes }, { ...levelSwitchesOf(rest), minLevel, maxLevel });
}

const PoolOptions = LevelOptions.extend({
  /** Without padding. */
  imageSizes: Sizes,
  outputSize: Size,
  samplingRatio: Count,
  aligned: z.boolean(),
});
/** Options of {@link multiScaleRoiAlign}. */
export interface PoolOptionsInput extends z.input<typeof PoolOptions> {}

/** Each region pooled from the level that suits it: `[ΣK, C, h, w]`, in the order of the regions. */
export async function multiScaleRoiAlign(maps: readonly Tensor[], rois: readonly Tensor[],
  options: PoolOptionsInput): Promise<Tensor> {
  const { imageSizes, outputSize, samplingRatio, aligned, ...rest } = parse(PoolOptions, options, "pooling options");
  const shapes = new Shapes();
  expectMaps(shapes, maps);
  expectCount("rois", rois, shapes.of("N"));
  expectCount("imageSizes", imageSizes, shapes.of("N"));
  rois.forEach((boxes, i) => {
    new Shapes().expect(`rois[${i}]`, boxes, ["K", 4]);
  });
  return call("multiScaleRoiAlign", { maps, rois }, { ...levelSwitchesOf(rest), imageSizes, outputSize, samplingRatio,
    aligned });
}

const SampleOptions = z.strictObject({ batchSizePerImage: PositiveCount, positiveFraction: Iou, seed: Seed });
/** Options of {@link sample}. */
export interface SampleOptionsInput extends z.input<typeof SampleOptions> {}

/**
 * A random choice of positive and negative entries, all of a kind if there is room.
 *
 * @param labels - `[N]`, int64: 1 or more positive, 0 negative, below ignored.
 * @returns indices, int64, ascending.
 */
export async function sample(labels: Tensor,
  options: SampleOptionsInput): Promise<{ positive: Tensor; negative: Tensor }> {
  new Shapes().expect("labels", labels, ["N"], "int64");
  return call("sample", { labels }, parse(SampleOptions, options, "sample options"));
}

const ProposalOptions = AnchorOptions.omit({ anchorOrder: true }).extend({
  mode: z.enum(["train", "eval"]),
  paddedImage: Size,
  imageSizes: Sizes,
  fgIouThresh: Iou.default(0.7),
  bgIouThresh: Iou.default(0.3),
  batchSizePerImage: PositiveCount.default(256),
  positiveFraction: Iou.default(0.5),
  nmsThresh: Iou.default(0.7),
  minSize: NonNegativeNumber.optional(),
  smoothL1Beta: NonNegativeNumber.optional(),
  boxWeights: BoxWeights.default([1, 1, 1, 1]),
  preNmsTopN: PositiveCount.default(1000),
  postNmsTopN: PositiveCount.default(1000),
});
/** Options of {@link regionProposals}. */
export interface ProposalInput extends z.input<typeof ProposalOptions> {
  readonly targets?: readonly FunctionTargets[];
  readonly gradientOfOutput?: number;
}

/** Result of {@link regionProposals}; losses and labels with mode `"train"`. */
export interface RegionProposals {
  readonly proposals: Tensor[];
  readonly losses?: { readonly objectness: number; readonly rpnBoxReg: number };
  /** Of each image, by anchor: 1 object, 0 background, -1 ignored. */
  readonly labels?: Tensor[];
}

/**
 * A region proposal network with the values of `state` (`conv.0.0.*`, `cls_logits.*`, `bbox_pred.*`) on these maps.
 *
 * @see Ren et al., "Faster R-CNN" (NeurIPS 2015).
 */
export async function regionProposals<Options extends ProposalInput>(maps: readonly Tensor[], state: StateDict,
  options: Options): Promise<Differentiated<Options, RegionProposals, { maps: Tensor[]; state: StateDict }>> {
  assertObject(options, "proposal options");
  const { targets, gradientOfOutput, ...rest } = options;
  const o = parse(ProposalOptions, rest, "proposal options");
  const shapes = new Shapes();
  expectMaps(shapes, maps);
  expectCount("imageSizes", o.imageSizes, shapes.of("N"));
  if (targets !== undefined || o.mode === "train") expectTargets(targets ?? [], shapes.of("N"));
  return call("regionProposals", { maps, state, ...(targets && { targets: targets as unknown as Tree }) }, {
    ...anchorSwitchesOf({ sizes: o.sizes, ratios: o.ratios, flavor: o.flavor }),
    anchorOrder: "ratio-major",
    mode: o.mode,
    paddedImage: o.paddedImage,
    imageSizes: o.imageSizes,
    rpnFgIouThresh: o.fgIouThresh,
    rpnBgIouThresh: o.bgIouThresh,
    rpnBatchSizePerImage: o.batchSizePerImage,
    rpnPositiveFraction: o.positiveFraction,
    rpnNmsThresh: o.nmsThresh,
    rpnMinSize: o.minSize ?? switchOf(o.flavor, "rpnMinSize"),
    rpnBoxLossBeta: o.smoothL1Beta ?? switchOf(o.flavor, "rpnBoxLossBeta"),
    rpnLossNormalizer: switchOf(o.flavor, "rpnLossNormalizer"),
    rpnBoxWeights: o.boxWeights,
    rpnPreNmsTopNTrain: o.preNmsTopN,
    rpnPreNmsTopNTest: o.preNmsTopN,
    rpnPostNmsTopNTrain: o.postNmsTopN,
    rpnPostNmsTopNTest: o.postNmsTopN,
    gradientOfOutput,
  });
}

const RoiLossOptions = z.strictObject({ smoothL1Beta: NonNegativeNumber });
/** Options of {@link roiLosses}. */
export interface RoiLossOptionsInput extends z.input<typeof RoiLossOptions> {}

/**
 * Losses of proposals: cross entropy, and smooth L1 of the deltas of their classes over the number of all of them.
 *
 * @param logits - `[N, classes]`, the background first.
 * @param deltas - `[N, 4 · classes]`.
 * @param labels - `[N]`, int64, 0 for background.
 * @param targets - `[N, 4]`.
 */
export async function roiLosses<Options extends RoiLossOptionsInput & { gradientOfOutput?: number }>(
  logits: Tensor,
  deltas: Tensor,
  labels: Tensor,
  targets: Tensor,
  options: Options,
): Promise<Differentiated<Options, { classifier: number; boxReg: number }, { logits: Tensor; deltas: Tensor }>> {
  assertObject(options, "loss options");
  const { gradientOfOutput, ...rest } = options;
  const shapes = new Shapes();
  shapes.expect("logits", logits, ["N", "classes"]);
  shapes.expect("deltas", deltas, ["N", 4 * shapes.of("classes")]);
  shapes.expect("labels", labels, ["N"], "int64");
  shapes.expect("targets", targets, ["N", 4]);
  expectLabels("labels", labels, shapes.of("classes"));
  return call("roiLosses", { logits, deltas, labels, targets }, { ...parse(RoiLossOptions, rest, "loss options"),
    gradientOfOutput });
}

const HeadOptions = AnchorOptions.omit({ anchorOrder: true }).extend({
  paddedImage: Size,
  numClasses: PositiveCount,
  fgIouThresh: Iou.default(0.5),
  bgIouThresh: Iou.default(0.4),
  boxLoss: z.enum(["l1", "smoothL1", "giou"]).default("l1"),
  boxLossBeta: NonNegativeNumber.default(1),
});
/** Options of {@link retinaNetHead}. */
export interface HeadInput extends z.input<typeof HeadOptions> {
  readonly targets: readonly FunctionTargets[];
  readonly gradientOfOutput?: number;
}

/** Result of {@link retinaNetHead}. */
export interface RetinaNetHeadOutput {
  readonly losses: { readonly classification: number; readonly bboxRegression: number };
  /** `[N, anchors, classes]`. */
  readonly logits: Tensor;
  /** `[N, anchors, 4]`. */
  readonly deltas: Tensor;
  /** Of each image, int64 by anchor, as `matchBoxes`. */
  readonly matches: Tensor[];
}

/**
 * RetinaNet's head with the values of `state` (`classification_head.*`, `regression_head.*`) on these maps.
 *
 * @see Lin et al., "Focal Loss for Dense Object Detection" (ICCV 2017).
 */
export async function retinaNetHead<Options extends HeadInput>(maps: readonly Tensor[], state: StateDict,
  options: Options): Promise<Differentiated<Options, RetinaNetHeadOutput, { maps: Tensor[]; state: StateDict }>> {
  assertObject(options, "head options");
  const { targets, gradientOfOutput, ...rest } = options;
  const { sizes, ratios, flavor, ...own } = parse(HeadOptions, rest, "head options");
  const shapes = new Shapes();
  expectMaps(shapes, maps);
  expectTargets(targets, shapes.of("N"));
  targets.forEach(({ labels }, i) => {
    if (labels !== undefined) expectLabels(`labels of targets[${i}]`, labels, own.numClasses);
  });
  return call("retinaNetHead", { maps, state, targets: targets as unknown as Tree }, {
    ...anchorSwitchesOf({ sizes, ratios, flavor }),
    anchorOrder: "ratio-major",
    ...own,
    retinaNetNormalizer: switchOf(flavor, "retinaNetNormalizer"),
    scoreThresh: 0,
    nmsThresh: 0,
    topkCandidates: 1,
    detectionsPerImg: 1,
    clipBeforeNms: true,
    gradientOfOutput,
  });
}

const MaskTargetOptions = z.strictObject({ size: PositiveCount, flavor: Flavor.default("torchvision") });
/** Options of {@link maskTargets}. */
export interface MaskTargetOptionsInput extends z.input<typeof MaskTargetOptions> {}

/**
 * The targets of a mask head within each proposal, `[N, size, size]`: averages of bitmaps, or for detectron2 0 and 1.
 *
 * @param masks - `[T, H, W]`, uint8.
 * @param matched - `[N]`, int64: the mask of each proposal.
 */
export async function maskTargets(masks: Tensor, proposals: Tensor, matched: Tensor,
  options: MaskTargetOptionsInput): Promise<Tensor> {
  const { size, flavor } = parse(MaskTargetOptions, options, "mask options");
  const shapes = new Shapes();
  shapes.expect("masks", masks, ["T", "H", "W"], "uint8");
  shapes.expect("proposals", proposals, ["N", 4]);
  shapes.expect("matched", matched, ["N"], "int64");
  return call("maskTargets", { masks, proposals, matched }, { size, maskTargets: switchOf(flavor, "maskTargets") });
}

/**
 * Mean binary cross entropy of the masks of the true classes.
 *
 * @param logits - `[N, classes, S, S]`.
 * @param labels - `[N]`, int64.
 * @param targets - `[N, S, S]`.
 */
export async function maskLoss<Options extends { readonly gradientOfOutput?: number }>(logits: Tensor, labels: Tensor,
  targets: Tensor, options: Options = {} as Options): Promise<Differentiated<Options, number, { logits: Tensor }>> {
  const shapes = new Shapes();
  shapes.expect("logits", logits, ["N", "classes", "S", "S"]);
  shapes.expect("labels", labels, ["N"], "int64");
  shapes.expect("targets", targets, ["N", "S", "S"]);
  expectLabels("labels", labels, shapes.of("classes"));
  return call("maskLoss", { logits, labels, targets }, options);
}

const RoiDetectionOptions = z.strictObject({
  imageSizes: Sizes,
  boxWeights: BoxWeights.default([10, 10, 5, 5]),
  scoreThresh: Iou.default(0.05),
  nmsThresh: Iou.default(0.5),
  detectionsPerImg: PositiveCount.default(100),
  /** Sides that a detection has at least; null: any. */
  minSize: NonNegativeNumber.nullable().default(1e-2),
});
/** Options of {@link roiDetections}. */
export interface RoiDetectionOptionsInput extends z.input<typeof RoiDetectionOptions> {}

/** Detections of each image from scores and deltas of its proposals, which lie one image after the other. */
export async function roiDetections(logits: Tensor, deltas: Tensor, proposals: readonly Tensor[],
  options: RoiDetectionOptionsInput): Promise<Detections[]> {
  const parsed = parse(RoiDetectionOptions, options, "detection options");
  const shapes = new Shapes();
  expectCount("proposals", proposals, parsed.imageSizes.length);
  proposals.forEach((boxes, i) => {
    new Shapes().expect(`proposals[${i}]`, boxes, ["K", 4]);
  });
  const count = proposals.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
  shapes.expect("logits", logits, [count, "classes"]);
  shapes.expect("deltas", deltas, [count, 4 * shapes.of("classes")]);
  return call("roiDetections", { logits, deltas, proposals }, parsed);
}

const RetinaNetDetectionOptions = z.strictObject({
  imageSizes: Sizes,
  scoreThresh: Iou.default(0.05),
  topkCandidates: PositiveCount.default(1000),
  nmsThresh: Iou.default(0.5),
  detectionsPerImg: PositiveCount.optional(),
  flavor: Flavor.default("torchvision"),
});
/** Options of {@link retinaNetDetections}. */
export interface RetinaNetDetectionOptionsInput extends z.input<typeof RetinaNetDetectionOptions> {}

/** Detections of each image from RetinaNet's outputs by level, `[N, anchors, classes]` and `[N, anchors, 4]`. */
export async function retinaNetDetections(logits: readonly Tensor[], deltas: readonly Tensor[],
  levels: readonly Tensor[], options: RetinaNetDetectionOptionsInput): Promise<Detections[]> {
  const { flavor, detectionsPerImg, ...rest } = parse(RetinaNetDetectionOptions, options, "detection options");
  expectCount("anchors", levels);
  expectCount("logits", logits, levels.length);
  expectCount("deltas", deltas, levels.length);
  const shapes = new Shapes();
  levels.forEach((anchorsOfLevel, level) => {
    shapes.expect(`anchors[${level}]`, anchorsOfLevel, [`anchors ${level}`, 4]);
    shapes.expect(`logits[${level}]`, logits[level], [rest.imageSizes.length, `anchors ${level}`, "classes"]);
    shapes.expect(`deltas[${level}]`, deltas[level], [rest.imageSizes.length, `anchors ${level}`, 4]);
  });
  return call("retinaNetDetections", { logits, deltas, anchors: levels }, { ...rest,
    detectionsPerImg: detectionsPerImg ?? switchOf(flavor, "detectionsPerImg"),
    clipBeforeNms: switchOf(flavor, "clipBeforeNms") });
}

const ResizeOptions = z.strictObject({ minSize: PositiveCount, maxSize: PositiveCount,
  flavor: Flavor.default("torchvision") });
/** Options of {@link resizedSize}. */
export interface ResizeOptionsInput extends z.input<typeof ResizeOptions> {}

/** The size to which an image of this size is resized. */
export async function resizedSize(size: Size, options: ResizeOptionsInput): Promise<Size> {
  const { flavor, ...rest } = parse(ResizeOptions, options, "resize options");
  return call("resizedSize", {}, { ...rest, size: parse(Size, size, "size"), resize: flavor });
}

const TransformOptions = z.strictObject({
  minSize: PositiveCount.nullable().default(800),
  maxSize: PositiveCount.default(1333),
  imageMean: z.tuple([z.number(), z.number(), z.number()]).readonly().optional(),
  imageStd: z.tuple([z.number(), z.number(), z.number()]).readonly().optional(),
  flavor: Flavor.default("torchvision"),
});
/** Options of {@link transform}. */
export interface TransformOptionsInput extends z.input<typeof TransformOptions> {}

/** A detector's input: images normalized, resized and padded to one batch, and their objects resized with them. */
export async function transform(images: readonly Tensor[],
  options: TransformOptionsInput & { readonly targets?: readonly FunctionTargets[] }
): Promise<{
  input: Tensor;
  imageSizes: Size[];
  targets?: FunctionTargets[];
}> {
  assertObject(options, "transform options");
  const { targets, ...rest } = options;
  const { flavor, imageMean, imageStd, ...own } = parse(TransformOptions, rest, "transform options");
  expectCount("images", images);
  images.forEach((image, i) => {
    new Shapes().expect(`images[${i}]`, image, [3, "H", "W"]);
  });
  if (targets !== undefined)
    expectTargets(targets, images.length, images.map(({ shape }) => [shape[1] as number, shape[2] as number]));
  return call("transform", { images, ...(targets && { targets: targets as unknown as Tree }) }, { ...own,
    imageMean: imageMean ?? switchOf(flavor, "imageMean"), imageStd: imageStd ?? switchOf(flavor, "imageStd"),
    channelOrder: switchOf(flavor, "channelOrder"), pixelScale: switchOf(flavor, "pixelScale"),
    reverseImageStats: switchOf(flavor, "reverseImageStats"), resize: flavor });
}
