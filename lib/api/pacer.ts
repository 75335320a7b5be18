import { setImmediate } from "node:timers/promises";
import { throwIfAborted } from "./abort.js";
import { ReviewKdError } from "../errors.js";

/** Work continues for this long before timers and requests have their turn. */
const MOST_MILLISECONDS = 3;

/** Lets long work on the JavaScript thread pause for other events and end when its signal is aborted. */
export class Pacer {
  #since = performance.now();

  /** @throws ReviewKdError `ABORTED` if the signal is already aborted. */
  constructor(private readonly signal: AbortSignal | undefined, private readonly what: string) {
    throwIfAborted(signal, what);
  }

  /** Whether it is time for {@link pause}. Cheap: for each element of a list. */
  isDue(): boolean {
    return performance.now() - this.#since > MOST_MILLISECONDS;
  }

  /** @throws ReviewKdError `ABORTED` if the signal was aborted meanwhile. */
  async pause(): Promise<void> {
    await setImmediate();
    this.#since = performance.now();
    if (this.signal?.aborted !== true) return;
    throw new ReviewKdError("ABORTED", `${this.what} was stopped.`, { cause: this.signal.reason });
  }
}
