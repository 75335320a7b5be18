// Operations of detectors. Boxes are [N, 4], x1 y1 x2 y2 in pixels; a side is x2 - x1, without + 1.
import { z } from "zod";
import { NonNegativeNumber, PositiveNumber, Count } from "../../config/schemas/common.js";
import { BoxWeights, Flavor, Reduction, Size } from "../../config/schemas/detection/detector.js";
import { parse } from "../../config/validation.js";
import type { Tensor } from "../tensor.js";
import { call, type WithGradients } from "./call.js";

const Iou = z.number().min(0).max(1);

/** Output of a function by whether its options have a gradient: the output, or the output with gradients. */
type Differentiated<Options, Output, Gradients> = Options extends { readonly gradientOfOutput: object | number }
  ? WithGradients<Output, Gradients>
  : Output;

/** A loss by its reduction: values, or a number. */
type Loss<Options> = Options extends { readonly reduction: "none" } ? Tensor : number;

const gradientOfOutput = z.unknown().optional();

/**
 * Intersection over union of each box of `a` with each of `b`.
 *
 * @returns `[N, M]`; NaN where both boxes are without an area.
 * @throws ReviewKdError `SHAPE_MISMATCH`, `DTYPE_MISMATCH`, `DISPOSED`.
 * @example
 * ```ts
 * const iou = await functional.boxIou(found, truths);
 * ```
 */
export async function boxIou(a: Tensor, b: Tensor): Promise<Tensor> {
  return call("boxIou", { a, b });
}

/**
 * The IoU minus the share of the smallest enclosing box that neither box covers.
 *
 * @returns `[N, M]`.
 * @see Rezatofighi et al., "Generalized Intersection over Union" (CVPR 2019).
 */
export async function generalizedBoxIou(a: Tensor, b: Tensor): Promise<Tensor> {
  return call("generalizedBoxIou", { a, b });
}

/** Areas of boxes, `[N]`. */
export async function boxArea(boxes: Tensor): Promise<Tensor> {
  return call("boxArea", { boxes });
}

/** Boxes within an image of this size, `[N, 4]`. */
export async function clipBoxes(boxes: Tensor, size: Size): Promise<Tensor> {
  return call("clipBoxes", { boxes }, { size: parse(Size, size, "size") });
}

/** Indices, int64, ascending, of the boxes both of whose sides are `minSize` or more. */
export async function removeSmallBoxes(boxes: Tensor, minSize: number): Promise<Tensor> {
  return call("removeSmallBoxes", { boxes }, { minSize: parse(NonNegativeNumber, minSize, "minSize") });
}

/**
 * The deltas by which proposals become the boxes of `reference`: of the center in sides of the proposal, and logarithms
 * of the ratios of sides, times `weights`.
 *
 * @returns `[N, 4]`.
 * @see Girshick et al., "Rich feature hierarchies" (CVPR 2014), appendix C.
 */
export async function encodeBoxes(reference: Tensor, proposals: Tensor, weights: BoxWeights): Promise<Tensor> {
  return call("encodeBoxes", { reference, proposals }, { weights: parse(BoxWeights, weights, "weights") });
}

/**
 * The reverse of {@link encodeBoxes}, for any number of classes at once. Logarithms are bounded by ln(1000 / 16).
 *
 * @param deltas - `[N, 4 · C]`.
 * @param boxes - `[N, 4]`.
 * @returns `[N, 4 · C]`.
 */
export async function decodeBoxes(deltas: Tensor, boxes: Tensor, weights: BoxWeights): Promise<Tensor> {
  return call("decodeBoxes", { deltas, boxes }, { weights: parse(BoxWeights, weights, "weights") });
}

/**
 * Non-maximum suppression: drops each box whose IoU with a kept one of a higher score exceeds the threshold.
 *
 * @param scores - `[N]`.
 * @returns indices of the kept boxes, int64, by falling score, equal ones in the order of the input.
 */
export async function nms(boxes: Tensor, scores: Tensor, iouThreshold: number): Promise<Tensor> {
  return call("nms", { boxes, scores }, { iouThreshold: parse(Iou, iouThreshold, "iouThreshold") });
}

/**
 * {@link nms} within each class.
 *
 * @param classes - `[N]`, int64.
 */
export async function batchedNms(boxes: Tensor, scores: Tensor, classes: Tensor,
  iouThreshold: number): Promise<Tensor> {
  return call("batchedNms", { boxes, scores, classes }, { iouThreshold: parse(Iou, iouThreshold, "iouThreshold") });
}

const RoiAlignOptions = z.strictObject({
  /** Cells of a region: rows and columns. */
  outputSize: Size,
  /** Pixels of the map per pixel of the image. */
  spatialScale: PositiveNumber,
  /** Samples of a cell in each direction; 0: as many as pixels of the map, rounded up. */
  samplingRatio: Count.default(0),
  /** Whether pixel centers lie at 0.5 rather than at 0. */
  aligned: z.boolean().default(false),
  gradientOfOutput,
});
/** Options of {@link roiAlign}. */
export interface RoiAlignInput extends Omit<z.input<typeof RoiAlignOptions>, "gradientOfOutput"> {
  readonly gradientOfOutput?: Tensor;
}

/**
 * Averages of bilinear samples of a map in the cells of regions.
 *
 * @param input - `[N, C, H, W]`.
 * @param rois - `[K, 5]`: index of the image, then x1, y1, x2, y2.
 * @returns `[K, C, height, width]`; with `gradientOfOutput` also the gradient of `input`.
 * @throws ReviewKdError `SHAPE_MISMATCH`, `INVALID_ARGUMENT` (an image that is not there).
 * @see He et al., "Mask R-CNN" (ICCV 2017), section 3.
 */
export async function roiAlign<Options extends RoiAlignInput>(input: Tensor, rois: Tensor,
  options: Options): Promise<Differentiated<Options, Tensor, { readonly input: Tensor }>> {
  return call("roiAlign", { input, rois }, parse(RoiAlignOptions, options, "roiAlign options"));
}

const GiouLossOptions = z.strictObject({ reduction: Reduction, eps: NonNegativeNumber.default(1e-7),
  gradientOfOutput });
/** Options of {@link generalizedBoxIouLoss}. */
export interface GiouLossInput extends Omit<z.input<typeof GiouLossOptions>, "gradientOfOutput"> {
  readonly gradientOfOutput?: number | Tensor;
}

/**
 * 1 - the generalized IoU of each box with its target.
 *
 * @param boxes - `[N, 4]`.
 * @param targets - `[N, 4]`.
 * @returns a number, or `[N]` without reduction; with `gradientOfOutput` also the gradient of `boxes`.
 * @see Rezatofighi et al. (CVPR 2019), equation 2.
 */
export async function generalizedBoxIouLoss<Options extends GiouLossInput>(boxes: Tensor, targets: Tensor,
  options: Options): Promise<Differentiated<Options, Loss<Options>, { readonly boxes: Tensor }>> {
  return call("generalizedBoxIouLoss", { boxes, targets }, parse(GiouLossOptions, options, "loss options"));
}

const FocalLossOptions = z.strictObject({
  /** Weight of the targets 1, and 1 - alpha of the targets 0; below 0: no weights. */
  alpha: z.number().max(1).default(0.25),
  gamma: NonNegativeNumber.default(2),
  reduction: Reduction,
  gradientOfOutput,
});
/** Options of {@link sigmoidFocalLoss}. */
export interface FocalLossInput extends Omit<z.input<typeof FocalLossOptions>, "gradientOfOutput"> {
  readonly gradientOfOutput?: number | Tensor;
}

/**
 * Binary cross entropy, weighted by (1 - p)^gamma of the target's probability p.
 *
 * @param targets - 0 or 1, in the shape of `logits`.
 * @returns a number, or values in the shape of `logits`; with `gradientOfOutput` also the gradient of `logits`.
 * @see Lin et al., "Focal Loss for Dense Object Detection" (ICCV 2017), equation 5.
 */
export async function sigmoidFocalLoss<Options extends FocalLossInput>(logits: Tensor, targets: Tensor,
  options: Options): Promise<Differentiated<Options, Loss<Options>, { readonly logits: Tensor }>> {
  return call("sigmoidFocalLoss", { logits, targets }, parse(FocalLossOptions, options, "loss options"));
}

const SmoothL1Options = z.strictObject({
  /** Where the square becomes a line; 0: L1. */
  beta: NonNegativeNumber.default(1),
  reduction: Reduction,
  gradientOfOutput,
});
/** Options of {@link smoothL1Loss}. */
export interface SmoothL1Input extends Omit<z.input<typeof SmoothL1Options>, "gradientOfOutput"> {
  readonly gradientOfOutput?: number | Tensor;
}

/**
 * d² / 2β below β, d - β / 2 above, of absolute differences d.
 *
 * @returns a number, or values in the shape of `input`; with `gradientOfOutput` also the gradient of `input`.
 * @see Girshick, "Fast R-CNN" (ICCV 2015), equation 3.
 */
export async function smoothL1Loss<Options extends SmoothL1Input>(input: Tensor, target: Tensor,
  options: Options): Promise<Differentiated<Options, Loss<Options>, { readonly input: Tensor }>> {
  return call("smoothL1Loss", { input, target }, parse(SmoothL1Options, options, "loss options"));
}

const MatchOptions = z.strictObject({
  /** An IoU of this or more matches. */
  high: Iou,
  /** One below is background. */
  low: Iou,
  /** Whether the best boxes of each object match, however low their IoU is. */
  allowLowQuality: z.boolean().default(false),
});
/** Options of {@link matchBoxes}. */
export interface MatchOptionsInput extends z.input<typeof MatchOptions> {}

/**
 * The object that each box stands for.
 *
 * @param iou - `[objects, boxes]`.
 * @returns `[boxes]`, int64: index of the object; -1 for background, -2 for an IoU in between.
 */
export async function matchBoxes(iou: Tensor, options: MatchOptionsInput): Promise<Tensor> {
  return call("matchBoxes", { iou }, parse(MatchOptions, options, "match options"));
}

const PasteOptions = z.strictObject({
  flavor: Flavor.default("torchvision"),
  /** null: probabilities. */
  threshold: z.number().nullable().default(0.5),
});
/** Options of {@link pasteMasks}. */
export interface PasteOptionsInput extends z.input<typeof PasteOptions> {}

/**
 * Masks in an image, from probabilities within boxes.
 *
 * @param probabilities - `[N, S, S]`.
 * @param boxes - `[N, 4]`.
 * @param size - of the image.
 * @returns `[N, height, width]`: probabilities, or with a threshold 0 and 1 as uint8.
 */
export async function pasteMasks(probabilities: Tensor, boxes: Tensor, size: Size,
  options: PasteOptionsInput = {}): Promise<Tensor> {
  const { flavor, threshold } = parse(PasteOptions, options, "paste options");
  return call("pasteMasks", { probabilities, boxes }, { size: parse(Size, size, "size"), maskPaste: flavor,
    threshold });
}
