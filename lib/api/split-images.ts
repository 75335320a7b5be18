import type { BatchOptions } from "../config/schemas/data.js";
import type { NativeBatch, NativeImages } from "../native.js";

/** The options of an iteration over a split in batches. */
export type BatchPlan = Omit<BatchOptions, "shuffle" | "augment"> & Readonly<Record<"shuffle" | "augment", boolean>>;

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
  /** Runs native work that reads the images, starting at any batch. */
  pass<Result>(plan: PassPlan, work: PassWork<Result>): Promise<Result>;
  /** Iterates over the images in batches. */
  batches(plan: BatchPlan): AsyncGenerator<NativeBatch, void, void>;
}
