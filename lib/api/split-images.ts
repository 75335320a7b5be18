import type { NativeImages, NativeTensor } from "../native.js";

/** How native code goes through a split once. */
export interface PassPlan {
  readonly batchSize: number;
  readonly seed: number;
  readonly epoch: number;
  readonly shuffle: boolean;
  readonly augment: boolean;
}

/** A batch as native code hands it out. */
export interface NativeBatch {
  readonly images: NativeTensor;
  readonly labels: NativeTensor;
}

/** Native work on the images of a pass; `cancel` makes it stop waiting for images. */
export type PassWork<Result> = (images: NativeImages, cancel: () => void) => Promise<Result>;

/** Where the images of a split come from: memory that native code reads, or JavaScript that makes them on the way. */
export interface SplitImages {
  /** Number of images, and their size in pixels. */
  readonly size: number;
  readonly height: number;
  readonly width: number;
  /** Runs native work that goes through the images, from whichever batch it asks for. */
  pass<Result>(plan: PassPlan, work: PassWork<Result>): Promise<Result>;
  /** Goes through the images in batches. */
  batches(plan: PassPlan & { readonly dropLast: boolean; readonly firstBatch: number }): AsyncGenerator<NativeBatch, void, void>;
}
