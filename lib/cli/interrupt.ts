import { EXIT } from "./errors.js";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** npm forwards a Ctrl-C that its child has received: a second signal within this time is the same key press. */
const NPM_ECHO_MS = 400;

/** A signal that is aborted by the first Ctrl-C; the second ends the process immediately. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/** Listens for SIGINT and SIGTERM until disposed; `onFirst` informs the user what happens now. */
export function listenForInterrupt(onFirst: () => void): Interrupt {
  const controller = new AbortController();
  // @env npm_lifecycle_event users: Set by npm, which passes Ctrl-C on: a second one counts only after a moment.
  // Default: it ends the program immediately.
  const underNpm = process.env["npm_lifecycle_event"] !== undefined;
  let firstAt: number | undefined;

  const listener = (): void => {
    const now = performance.now();
    if (firstAt === undefined) {
      firstAt = now;
      onFirst();
      controller.abort();
    } else if (!underNpm || now - firstAt > NPM_ECHO_MS) {
      process.exit(EXIT.interrupted);
    }
  };

  for (const name of SIGNALS) process.on(name, listener);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of SIGNALS) process.off(name, listener);
    },
  };
}
