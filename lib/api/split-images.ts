import type { BatchOptions, DetectionBatchOptions } from "../config/schemas/data.js";
import type { AnyNativeBatch, NativeImages } from "../native-types.js";

/** Training and test images have their own defaults. */
type Decided<Options> = Omit<Options, "shuffle" | "augment"> & Readonly<Record<"shuffle" | "augment", boolean>>;

/** The options of an iteration over a split in batches. */
export type BatchPlan = Decided<BatchOptions>;

/** The same for images with boxes. */
export type DetectionBatchPlan = Decided<DetectionBatchOptions>;

/** The part of a pass that one of several processes reads: a part of each batch, or whole batches. */
export interface Share {
  readonly rank: number;
  /** Number of processes. */
  readonly size: number;
  readonly of: "images" | "batches";
  /** Batches of fewer images are left out. Default 1. */
  readonly smallestBatch?: number;
}

/** The options of one pass over a split. */
export interface PassPlan extends Pick<BatchPlan, "batchSize" | "seed" | "epoch" | "shuffle" | "augment"> {
  /** Default: all of it. */
  readonly share?: Share | undefined;
}

/** Native work on the images of a pass; `cancel` stops waiting for images. */
export type PassWork<Result> = (images: NativeImages, cancel: () => void) => Promise<Result>;

/** The image source of a split: native memory, or JavaScript that produces images on demand. */
export interface SplitImages {
  /** Number of images, and their height and width in pixels. */
  readonly size: number;
  readonly height: number;
  readonly width: number;
  /** Annotations of an image: its class, or its objects by their boxes, some of them also by masks. */
  readonly content: "labels" | "boxes" | "masks";
  /**
   * Text that other processes with the same images and annotations have too, and those with others do not. Absent for
   * images that a program produces.
   */
  fingerprint?(): Promise<string>;
  /** Runs native work that reads the images, starting at any batch. */
  pass<Result>(plan: PassPlan, work: PassWork<Result>): Promise<Result>;
  /** Iterates over the images in batches. */
  batches(plan: BatchPlan | DetectionBatchPlan): AsyncGenerator<AnyNativeBatch, void, void>;
}

/** The plan of a pass for batches of which this process may read its part. */
export function withShare(plan: BatchPlan | DetectionBatchPlan): PassPlan {
  const { batchSize, seed, epoch, shuffle, augment, dropLast, share } = plan;
  const pass = { batchSize, seed, epoch, shuffle, augment };
  if (share === undefined) return pass;
  const { rank, size } = share;
  return { ...pass, share: { rank, size, of: "images", smallestBatch: dropLast ? batchSize : size } };
}
