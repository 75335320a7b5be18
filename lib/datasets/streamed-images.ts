import { ReviewKdError } from "../errors.js";
import { addon, type NativeBatchQueue } from "../native.js";
import type { Normalization } from "../config/schemas/data.js";
import type { StreamPass } from "../config/schemas/stream.js";
import { Feed, type ImageBlock } from "./feed.js";
import type { NativeBatch, PassPlan, PassWork, SplitImages } from "../api/split-images.js";

/** Maximum number of complete batches queued for the trainer. */
const BATCHES_AHEAD = 3;

/** Options of {@link StreamedImages}. */
export interface StreamedOptions {
  /** Name of the data set in messages. */
  readonly kind: string;
  readonly split: "train" | "test";
  readonly numClasses: number;
  readonly size: number;
  readonly height: number;
  readonly width: number;
  /** Order of an image's values: three planes, or three values per pixel. */
  readonly layout: "planes" | "interleaved";
  readonly normalization: Normalization;
  /** Produces the images of a pass, from `firstImage` on. Must end soon after the pass's signal is aborted. */
  readonly produce: (pass: StreamPass) => AsyncIterable<ImageBlock>;
}

/** A split whose images JavaScript produces on demand. */
export class StreamedImages implements SplitImages {
  readonly size: number;
  readonly height: number;
  readonly width: number;
  readonly normalization: Normalization;
  #disposed = false;

  constructor(private readonly options: StreamedOptions) {
    this.size = options.size;
    this.height = options.height;
    this.width = options.width;
    this.normalization = options.normalization;
  }

  async pass<Result>(plan: PassPlan, work: PassWork<Result>): Promise<Result> {
    const { queue, feed, close } = this.#open(plan);
    try {
      return await work(queue, () => {
        void close();
      });
    } catch (error) {
      throw feed.failure === undefined ? error : feed.failure.error;
    } finally {
      await close();
      queue.dispose();
    }
  }

  async *batches(
    plan: PassPlan & { readonly dropLast: boolean; readonly firstBatch: number },
  ): AsyncGenerator<NativeBatch, void, void> {
    const { queue, feed, close } = this.#open(plan);
    try {
      queue.open(plan.batchSize, plan.dropLast ? plan.batchSize : 1, plan.firstBatch);
      for (let batch = await queue.next(); batch !== undefined; batch = await queue.next()) yield batch;
    } catch (error) {
      throw feed.failure === undefined ? error : feed.failure.error;
    } finally {
      await close();
      queue.dispose();
    }
  }

  /** Prevents new passes; running passes continue. */
  dispose(): void {
    this.#disposed = true;
  }

  #open(plan: PassPlan): { queue: NativeBatchQueue; feed: Feed; close: () => Promise<void> } {
    if (this.#disposed)
      throw new ReviewKdError("DISPOSED", "cannot use a Dataset after it was disposed. Load it again.");
    const { kind, split, numClasses, size, height, width, layout, normalization, produce } = this.options;
    const queue = addon().newBatchQueue({ kind, numClasses, size, height, width, layout, normalization,
      ahead: BATCHES_AHEAD });
    const over = new AbortController();
    const { batchSize, seed, epoch, shuffle, augment } = plan;
    const feed = new Feed(queue, (firstBatch) =>
      produce({
        split,
        epoch,
        seed,
        batchSize,
        firstBatch,
        firstImage: firstBatch * batchSize,
        shuffle,
        augment,
        signal: over.signal,
      }));
    const close = async (): Promise<void> => {
      over.abort();
      await feed.stop();
    };
    return { queue, feed, close };
  }
}
