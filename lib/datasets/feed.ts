import { setImmediate } from "node:timers/promises";
import { messageOf } from "../errors.js";
import type { NativeBatchQueue } from "../native.js";

/** Images in one piece, with their labels. */
export interface ImageBlock {
  /** Pixels of all images, one after the other, in the queue's layout: bytes, or floats that are used as they are. */
  readonly values: Uint8Array | Float32Array;
  /** One class index per image. */
  readonly labels: BigInt64Array;
  /** How many of the images stand for others, which could not be read. Default 0. */
  readonly replaced?: number;
}

/** More bytes than this are copied in several turns of the event loop, for each takes up to a millisecond. */
const COPY_BYTES = 2 ** 21;

/**
 * Fills a native queue from a producer, one pass long. Asks the producer for more only while there is room, so that it
 * never runs further ahead of the trainer than the queue's bound.
 */
export class Feed {
  #stopped = false;
  #failure: { readonly error: unknown } | undefined;
  readonly #done: Promise<void>;

  /** Begins to fill as soon as the trainer opens the pass, and tells `produce` the first batch that it wants. */
  constructor(private readonly queue: NativeBatchQueue, private readonly produce: (firstBatch: number) => AsyncIterable<ImageBlock>) {
    this.#done = this.#run().catch((error: unknown) => {
      if (this.#stopped) return;
      this.#failure = { error };
      this.queue.fail(messageOf(error));
    });
  }

  /** What the producer threw, or nothing. An error after {@link Feed.stop} does not count. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** Lets native code stop waiting, and waits until the producer has returned. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.queue.cancel();
    await this.#done;
  }

  async #run(): Promise<void> {
    if (!(await this.queue.room())) return;
    for await (const block of this.produce(this.queue.firstBatch())) {
      await this.#put(block);
      if (!(await this.queue.room())) return;
    }
    this.queue.finish();
  }

  async #put({ values, labels, replaced = 0 }: ImageBlock): Promise<void> {
    const imageValues = values.length / labels.length;
    const step = Math.max(1, Math.floor(COPY_BYTES / (imageValues * values.BYTES_PER_ELEMENT)));
    for (let first = 0; first < labels.length; first += step) {
      const last = Math.min(first + step, labels.length);
      if (first > 0) await setImmediate();
      if (this.#stopped) return;
      const part = values.subarray(first * imageValues, last * imageValues);
      this.queue.put(part, labels.subarray(first, last), last === labels.length ? replaced : 0);
    }
  }
}
