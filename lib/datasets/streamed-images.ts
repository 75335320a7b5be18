import { withShare, type BatchPlan, type PassPlan, type PassWork, type Share,
  type SplitImages } from "../api/split-images.js";
import type { Normalization } from "../config/schemas/data.js";
import type { StreamPass } from "../config/schemas/stream.js";
import { ReviewKdError } from "../errors.js";
import { addon } from "../native.js";
import type { AnyNativeBatch } from "../native-types.js";
import { putBlock, type ImageBlock } from "./feed.js";
import { BATCHES_AHEAD, QueuePass } from "./queue-pass.js";
import { readAll } from "./stored-images.js";

export { IMAGENET_NORMALIZATION } from "../config/normalizations.js";

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
  readonly produce: (pass: SharedPass) => AsyncIterable<ImageBlock>;
  /** See {@link SplitImages.fingerprint}. */
  readonly fingerprint?: (() => Promise<string>) | undefined;
}

/** A pass, of which this process may read a part. */
export interface SharedPass extends StreamPass {
  readonly share?: Share | undefined;
}

/** A split whose images JavaScript produces on demand. */
export class StreamedImages implements SplitImages {
  readonly content = "labels";
  readonly size: number;
  readonly height: number;
  readonly width: number;
  readonly normalization: Normalization;
  readonly fingerprint?: () => Promise<string>;
  #disposed = false;

  constructor(private readonly options: StreamedOptions) {
    if (options.fingerprint !== undefined) this.fingerprint = options.fingerprint;
    ({ size: this.size, height: this.height, width: this.width, normalization: this.normalization } = options);
  }

  async pass<Result>(plan: PassPlan, work: PassWork<Result>): Promise<Result> {
    await using pass = this.#open(plan);
    return await pass.run(work);
  }

  async *batches(plan: BatchPlan): AsyncGenerator<AnyNativeBatch, void, void> {
    await using pass = this.#open(withShare(plan));
    try {
      pass.queue.open(plan.batchSize, plan.dropLast ? plan.batchSize : 1, plan.firstBatch, undefined, plan.share);
      yield* readAll(pass.queue);
    } catch (error) {
      throw pass.errorOf(error);
    }
  }

  /** Prevents new passes; running passes continue. */
  dispose(): void {
    this.#disposed = true;
  }

  #open(plan: PassPlan): QueuePass<ImageBlock> {
    if (this.#disposed)
      throw new ReviewKdError("DISPOSED", "cannot use a Dataset after it was disposed. Load it again.");
    const { produce, split, kind, numClasses, size, height, width, layout, normalization } = this.options;
    const queue = { kind, numClasses, size, height, width, layout, normalization, ahead: BATCHES_AHEAD };
    return new QueuePass(addon().newBatchQueue(queue), putBlock, (firstBatch, signal) => {
      const { batchSize, seed, epoch, shuffle, augment, share } = plan;
      return produce({ split, epoch, seed, batchSize, firstBatch, firstImage: firstBatch * batchSize, shuffle, augment,
        signal, share });
    });
  }
}
