import type { BatchPlan, PassPlan, PassWork, SplitImages } from "../api/split-images.js";
import type { Normalization } from "../config/schemas/data.js";
import type { StreamPass } from "../config/schemas/stream.js";
import { ReviewKdError } from "../errors.js";
import { addon, type NativeBatch, type NativeBatchQueue } from "../native.js";
import { Feed, type ImageBlock } from "./feed.js";
import { readAll } from "./stored-images.js";

/** The standard normalization of ImageNet networks. */
export const IMAGENET_NORMALIZATION: Normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Maximum number of complete batches queued for the trainer. */
const BATCHES_AHEAD = 3;

export interface StreamedOptions {
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
    ({ size: this.size, height: this.height, width: this.width, normalization: this.normalization } = options);
  }

  async pass<Result>(plan: PassPlan, work: PassWork<Result>): Promise<Result> {
    await using pass = this.#open(plan);
    try {
      return await work(pass.queue, pass.cancel);
    } catch (error) {
      throw pass.feed.failure === undefined ? error : pass.feed.failure.error;
    }
  }

  async *batches(plan: BatchPlan): AsyncGenerator<NativeBatch, void, void> {
    await using pass = this.#open(plan);
    try {
      pass.queue.open(plan.batchSize, plan.dropLast ? plan.batchSize : 1, plan.firstBatch);
      yield* readAll(pass.queue);
    } catch (error) {
      throw pass.feed.failure === undefined ? error : pass.feed.failure.error;
    }
  }

  /** Prevents new passes; running passes continue. */
  dispose(): void {
    this.#disposed = true;
  }

  #open(plan: PassPlan): AsyncDisposable & { queue: NativeBatchQueue; feed: Feed; cancel: () => void } {
    if (this.#disposed)
      throw new ReviewKdError("DISPOSED", "cannot use a Dataset after it was disposed. Load it again.");
    const { produce, split, ...layout } = this.options;
    const queue = addon().newBatchQueue({ ...layout, ahead: BATCHES_AHEAD });
    const over = new AbortController();
    const feed = new Feed(queue, (firstBatch) => {
      const { batchSize, seed, epoch, shuffle, augment } = plan;
      return produce({ split, epoch, seed, batchSize, firstBatch, firstImage: firstBatch * batchSize, shuffle, augment,
        signal: over.signal });
    });
    const stop = (): Promise<void> => {
      over.abort();
      return feed.stop();
    };
    return {
      queue,
      feed,
      cancel: () => void stop(),
      async [Symbol.asyncDispose]() {
        await stop();
        queue.dispose();
      },
    };
  }
}
