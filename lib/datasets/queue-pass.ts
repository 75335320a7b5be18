import type { PassWork } from "../api/split-images.js";
import type { NativeBatchQueue } from "../native-types.js";
import { isError, withFramesOf } from "../errors.js";
import { Feed, type Put } from "./feed.js";

/** Maximum number of complete batches queued for the trainer. */
export const BATCHES_AHEAD = 3;

/** One pass over images that JavaScript produces while native code trains or evaluates. */
export class QueuePass<Item> implements AsyncDisposable {
  readonly #over = new AbortController();
  readonly #feed: Feed<Item>;

  /** @param produce - yields the images from a batch on, and ends soon after the signal is aborted. */
  constructor(readonly queue: NativeBatchQueue, put: Put<Item>,
    produce: (firstBatch: number, signal: AbortSignal) => AsyncIterable<Item>) {
    this.#feed = new Feed(queue, (firstBatch) => produce(firstBatch, this.#over.signal), put);
  }

  async run<Result>(work: PassWork<Result>): Promise<Result> {
    try {
      return await work(this.queue, () => void this.#stop());
    } catch (error) {
      throw this.errorOf(error);
    }
  }

  /** The producer's own error, if it caused this one. */
  errorOf(error: unknown): unknown {
    const { failure } = this.#feed;
    if (failure === undefined) return error;
    return isError(error) ? withFramesOf(error, failure.error) : failure.error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    this.queue.dispose();
  }

  #stop(): Promise<void> {
    this.#over.abort();
    return this.#feed.stop();
  }
}
