import cliProgress from "cli-progress";
import type { Output } from "./output.js";

/** Interval of lines without an interactive terminal. */
const PLAIN_PROGRESS_MS = 10_000;

/** Progress as a bar on a terminal, drawn from its first update on; elsewhere a line once in a while. */
export interface Progress {
  /** Updates the bar; without one, or if the total is unknown, calls `plain` when a line is due. */
  update(done: number, total: number | null, text: { readonly label: string; readonly text: string },
    plain: () => void): void;
  /** Leaves the cursor at the start of an empty line. Must be called however the work ends. */
  readonly clear: () => void;
}

/** Opens the progress display of an output; `now` is a monotonic clock in milliseconds. */
export function openProgress({ interactive }: Output, now = () => performance.now()): Progress {
  let bar: cliProgress.SingleBar | undefined;
  let quietSince = now();

  const clear = (): void => {
    process.off("exit", clear);
    bar?.stop();
    bar = undefined;
    quietSince = now();
  };

  return {
    update(done, total, text, plain) {
      if (!interactive || total === null) {
        if (now() - quietSince < PLAIN_PROGRESS_MS) return;
        quietSince = now();
        plain();
      } else if (bar === undefined) {
        bar = new cliProgress.SingleBar({ format: "{label} [{bar}] {percentage}%  {text}", stream: process.stdout,
          barsize: 20, barCompleteChar: "#", barIncompleteChar: "-", clearOnComplete: true, gracefulExit: false });
        // The bar disables line wrapping, so an exit in between must enable it again.
        process.once("exit", clear);
        bar.start(total, done, text);
      } else {
        bar.update(done, text);
      }
    },
    clear,
  };
}
