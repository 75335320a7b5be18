import { z } from "zod";
import { PositiveCount } from "./common.js";

/** What a streamed pass is asked for. Order and augmentation should follow from these values alone, so that a run can be resumed. */
export interface StreamPass {
  readonly split: "train" | "test";
  /** From 0; an evaluation asks for epoch 0. */
  readonly epoch: number;
  readonly seed: number;
  readonly batchSize: number;
  /** The batch to begin with: above 0 where an epoch is resumed. `firstImage` is the same in images. */
  readonly firstBatch: number;
  readonly firstImage: number;
  /** Whether the images are wanted in a random order, and augmented. */
  readonly shuffle: boolean;
  readonly augment: boolean;
  /** Aborted when nobody wants images any more. */
  readonly signal: AbortSignal;
}

/** Pixels of images: bytes 0–255 that are normalized, or floats that are used as they are. */
export type StreamPixels = Uint8Array | Uint8ClampedArray | Float32Array;

/** One image, or several with their labels in one piece. Its arrays may be used again once the next item was asked for. */
export type StreamItem =
  | { readonly image: StreamPixels; readonly label: number | bigint }
  | { readonly images: StreamPixels; readonly labels: ArrayLike<number | bigint> };

/** What can be gone through item by item. */
export type StreamIterable = AsyncIterable<StreamItem> | Iterable<StreamItem>;

/**
 * Makes the items of a pass from `firstImage` on; or can be iterated anew for each pass, in which case a resumed pass
 * skips what it has seen.
 */
export type StreamItems = StreamIterable | ((pass: StreamPass) => StreamIterable);

function isStream(value: unknown): value is StreamItems {
  return typeof value === "function"
    || (typeof value === "object" && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value));
}

/** One half of a streamed data set. */
export const StreamSplit = z.strictObject({
  /** Images in a pass. */
  samples: PositiveCount,
  items: z.custom<StreamItems>(isStream, "an iterable of images, or a function that returns one"),
});
export type StreamSplit = z.infer<typeof StreamSplit>;
