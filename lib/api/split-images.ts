import type { BatchOptions, DetectionBatchOptions } from "../config/schemas/data.js";
import type { AnyNativeBatch, NativeImages } from "../native.js";

/** Training and test images have their own defaults. */
type Decided<Options> = Omit<Options, "shuffle" | "augment"> & Readonly<Record<"shuffle" | "augment", boolean>>;

/** The options of an iteration over a split in batches. */
export type BatchPlan = Decided<BatchOptions>;

/** The same for images with boxes. */
export type DetectionBatchPlan = Decided<DetectionBatchOptions>;

/** The options of one pass over a split. */
export type PassPlan = Pick<BatchPlan, "batchSize" | "seed" | "epoch" | "shuffle" | "augment">;

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
  /** Runs native work that reads the images, starting at any batch. */
  pass<Result>(plan: PassPlan, work: PassWork<Result>): Promise<Result>;
  /** Iterates over the images in batches. */
  batches(plan: BatchPlan | DetectionBatchPlan): AsyncGenerator<AnyNativeBatch, void, void>;
}
