import type { NativeImages, NativeTensor } from "../native.js";

/** The options of one pass over a split. */
export interface PassPlan {
  readonly batchSize: number;
  readonly seed: number;
  readonly epoch: number;
  readonly shuffle: boolean;
  readonly augment: boolean;
}

/** A batch as native code returns it. */
export interface NativeBatch {
  readonly images: NativeTensor;
  readonly labels: NativeTensor;
}

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
  batches(
    plan: PassPlan & { readonly dropLast: boolean; readonly firstBatch: number },
  ): AsyncGenerator<NativeBatch, void, void>;
}
