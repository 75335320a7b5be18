import { setImmediate } from "node:timers/promises";
import { isReviewKdError, messageOf } from "../errors.js";
import type { NativeBatchQueue } from "../native-types.js";

/** A contiguous block of images with their labels. */
export interface ImageBlock {
  /** Pixels of all images, concatenated, in the queue's layout: bytes, or floats that are used unchanged. */
  readonly values: Uint8Array | Float32Array;
  /** One class index per image. */
  readonly labels: BigInt64Array;
  /** Number of images that replace unreadable ones. Default 0. */
  readonly replaced?: number;
}

/** Larger blocks are copied in chunks over several turns of the event loop; a chunk takes up to a millisecond. */
const COPY_BYTES = 2 ** 21;

/** Copies an item of a producer to a native queue; `stopped` says that it is not needed any more. */
export type Put<Item> = (queue: NativeBatchQueue, item: Item, stopped: () => boolean) => Promise<void>;

/** Fills a native queue from a producer for one pass, and pulls from the producer only while there is room. */
export class Feed<Item> {
  #stopped = false;
  /** The error thrown by the producer, if any. Errors after {@link Feed.stop} are ignored. */
  failure: { readonly error: unknown } | undefined;
  readonly #done: Promise<void>;

  /** Starts filling when the trainer opens the pass, and passes the first needed batch to `produce`. */
  constructor(private readonly queue: NativeBatchQueue,
    private readonly produce: (firstBatch: number) => AsyncIterable<Item>, private readonly put: Put<Item>) {
    this.#done = this.#run().catch((error: unknown) => {
      if (this.#stopped) return;
      this.failure = { error };
      this.queue.fail(messageOf(error), isReviewKdError(error) ? error.code : "INTERNAL");
    });
  }

  /** Stops native code from waiting, then waits until the producer has returned. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.queue.cancel();
    await this.#done;
  }

  async #run(): Promise<void> {
    if (!(await this.queue.room())) return;
    for await (const item of this.produce(this.queue.firstBatch())) {
      await this.put(this.queue, item, () => this.#stopped);
      if (!(await this.queue.room())) return;
    }
    this.queue.finish();
  }
}

/** Puts labelled images, in chunks. */
export async function putBlock(queue: NativeBatchQueue, { values, labels, replaced = 0 }: ImageBlock,
  stopped: () => boolean): Promise<void> {
  const imageValues = values.length / labels.length;
  const step = Math.max(1, Math.floor(COPY_BYTES / (imageValues * values.BYTES_PER_ELEMENT)));
  for (let first = 0; first < labels.length; first += step) {
    const last = Math.min(first + step, labels.length);
    if (first > 0) await setImmediate();
    if (stopped()) return;
    const part = values.subarray(first * imageValues, last * imageValues);
    queue.put(part, labels.subarray(first, last), last === labels.length ? replaced : 0);
  }
}
