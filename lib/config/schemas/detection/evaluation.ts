import { z } from "zod";
import { Count } from "../common.js";

/** COCO's rules, or those of Pascal VOC until 2007 and from 2010 on. */
export const DetectionMetric = z.enum(["coco", "voc2007", "voc2010"]);
export type DetectionMetric = z.infer<typeof DetectionMetric>;

/** Options of {@link evaluateDetections}, without its data. */
export const DetectionEvaluationOptions = z.strictObject({
  /** Whether boxes or masks are compared. */
  kind: z.enum(["bbox", "segm"]),
  metric: DetectionMetric.default("coco"),
  /** Counts detections of the annotation with id 0 as wrong, as pycocotools does by mistake. */
  idZeroAsReference: z.boolean().default(false),
});
export interface DetectionEvaluationOptions extends z.infer<typeof DetectionEvaluationOptions> {}

/** A share from 0 to 1, or -1 where no truth counts. */
const Score = z.number().min(-1).max(1);

/** COCO's twelve numbers: average precision (AP) and recall (AR), 0 to 1; -1 where no truth counts. */
export const CocoStats = z.strictObject({
  /** Mean over the overlaps 0.50, 0.55, …, 0.95. */
  ap: Score,
  ap50: Score,
  ap75: Score,
  /** By annotated area: to 32², 32² to 96², from 96² pixels. */
  apSmall: Score,
  apMedium: Score,
  apLarge: Score,
  /** With the best 1, 10 and 100 detections of each image and category. */
  ar1: Score,
  ar10: Score,
  ar100: Score,
  arSmall: Score,
  arMedium: Score,
  arLarge: Score,
});
export interface CocoStats extends z.infer<typeof CocoStats> {}

/** The result of one category: all sizes, 100 detections per image. */
export const CocoCategoryScore = z.strictObject({
  /** As in the ground truth. */
  id: z.int(),
  ap: Score,
  ap50: Score,
  /** For each overlap. */
  recallPerIou: z.array(Score).length(10),
});
export interface CocoCategoryScore extends z.infer<typeof CocoCategoryScore> {}

/** Average precision by Pascal VOC's rules, 0 to 1; -1 where no truth counts. VOC itself reports `ap50`. */
export const VocStats = z.strictObject({
  /** Mean over the overlaps 0.50, 0.55, …, 0.95. */
  ap: Score,
  ap50: Score,
  ap75: Score,
});
export interface VocStats extends z.infer<typeof VocStats> {}

/** The result of one category. */
export const VocCategoryScore = VocStats.extend({ id: z.int() });
export interface VocCategoryScore extends z.infer<typeof VocCategoryScore> {}

/** A mask as COCO stores it. */
export const Rle = z.strictObject({
  /** Height and width in pixels. */
  size: z.tuple([Count, Count]),
  /** Runs of zeros and ones in turn, column by column, zeros first: COCO's compressed string, or their lengths. */
  counts: z.union([z.string(), z.array(Count)]),
});
export interface Rle extends z.infer<typeof Rle> {}
