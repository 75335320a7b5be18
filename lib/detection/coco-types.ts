// COCO's format of annotations and results. Fields that are not listed may be present and are not read.
import type { Rle } from "../config/schemas/detection/evaluation.js";

/** A segmentation: polygons whose union it is, each x0, y0, x1, y1, …, or runs. */
export type CocoSegmentation = readonly (readonly number[])[] | Rle;

/** An image of the ground truth. */
export interface CocoImage {
  readonly id: number;
  /** In pixels; required where masks are compared. */
  readonly height?: number | undefined;
  readonly width?: number | undefined;
}

export interface CocoCategory {
  readonly id: number;
}

/** An annotated object, a truth. */
export interface CocoAnnotation {
  /** Unique. */
  readonly id: number;
  readonly image_id: number;
  readonly category_id: number;
  /** x, y of the left upper corner, width, height. Required where boxes are compared. */
  readonly bbox?: readonly number[] | undefined;
  /** Required where masks are compared. */
  readonly segmentation?: CocoSegmentation | undefined;
  /** In pixels; decides between small, medium and large, also for boxes. Required by COCO's rules. */
  readonly area?: number | undefined;
  /** Whether it is a region with several objects, which neither counts nor punishes. Default: 0. */
  readonly iscrowd?: number | boolean | undefined;
  /** Pascal VOC's rules: whether it neither counts nor punishes. Default: 0. */
  readonly difficult?: number | boolean | undefined;
}

/** Annotations in COCO's format. */
export interface CocoGroundTruth {
  readonly images: readonly CocoImage[];
  readonly categories: readonly CocoCategory[];
  readonly annotations: readonly CocoAnnotation[];
}

/** A detected object: an element of COCO's list of results. */
export interface CocoDetection {
  readonly image_id: number;
  readonly category_id: number;
  /** Any finite number; higher is more certain. */
  readonly score: number;
  /** x, y of the left upper corner, width, height. If missing, the box of the mask. */
  readonly bbox?: readonly number[] | undefined;
  /** If missing where masks are compared, the whole box. */
  readonly segmentation?: CocoSegmentation | undefined;
}
