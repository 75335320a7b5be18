import { z } from "zod";
import { PositiveCount } from "./common.js";

/** A streamed pass. Order and augmentation should depend only on these values, so that a run can be resumed. */
export interface StreamPass {
  readonly split: "train" | "test";
  /** From 0; always 0 in an evaluation. */
  readonly epoch: number;
  readonly seed: number;
  readonly batchSize: number;
  /** Index of the first batch, above 0 if an epoch is resumed. `firstImage` is the same position in images. */
  readonly firstBatch: number;
  readonly firstImage: number;
  /** Whether the images should be in random order and augmented. */
  readonly shuffle: boolean;
  readonly augment: boolean;
  /** Aborted when no more images are needed. */
  readonly signal: AbortSignal;
}

/** Pixels of images: bytes 0–255 that are normalized, or floats that are used unchanged. */
export type StreamPixels = Uint8Array | Uint8ClampedArray | Float32Array;

/** One or several contiguous images with their labels. Arrays may be reused once the next item is requested. */
export type StreamItem =
  | { readonly image: StreamPixels; readonly label: number | bigint }
  | { readonly images: StreamPixels; readonly labels: ArrayLike<number | bigint> };

/** An iterable of stream items. */
export type StreamIterable = AsyncIterable<StreamItem> | Iterable<StreamItem>;

/**
 * A function that returns the items of a pass from `firstImage` on, or an iterable that can be iterated once per pass,
 * in which case a resumed pass skips the items before `firstImage`.
 */
export type StreamItems = StreamIterable | ((pass: StreamPass) => StreamIterable);

function isStream(value: unknown): value is StreamItems {
  return typeof value === "function"
    || (typeof value === "object" && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value));
}

/** One split of a streamed data set. */
export const StreamSplit = z.strictObject({
  /** Number of images in a pass. */
  samples: PositiveCount,
  /** The images, or a function that returns them for a pass. */
  items: z.custom<StreamItems>(isStream, "an iterable of images, or a function that returns one"),
});
export interface StreamSplit extends z.infer<typeof StreamSplit> {}
