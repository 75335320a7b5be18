import { ClaimLost } from "../../api/abort.js";
import type { CellJob } from "./connection.js";

/** For how long a worker has a job unless it renews its claim, and what stops it. */
export interface LockOptions {
  readonly lockMs: number;
  readonly signal: AbortSignal | undefined;
}

/** This worker's claim on a job, renewed until it is disposed; its signal is aborted when the claim is lost. */
export class JobLock implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #stop = (): void => {
    this.#controller.abort(this.options.signal?.reason);
  };
  #renewedAt = performance.now();
  #isLost = false;

  constructor(job: CellJob, token: string, private readonly options: LockOptions) {
    const { lockMs, signal } = options;
    if (signal?.aborted === true) this.#stop();
    signal?.addEventListener("abort", this.#stop);
    this.#timer = setInterval(() => {
      job.extendLock(token, lockMs).then((renewed) => {
        if (renewed === 0) this.#lose();
        else this.#renewedAt = performance.now();
      }, () => undefined);
      if (performance.now() - this.#renewedAt > lockMs) this.#lose();
    }, lockMs / 4);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether another worker may have the job by now. */
  get isLost(): boolean {
    return this.#isLost;
  }

  #lose(): void {
    this.#isLost = true;
    this.#controller.abort(new ClaimLost("another worker may have the cell"));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.options.signal?.removeEventListener("abort", this.#stop);
  }
}
