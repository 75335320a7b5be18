import { endProcess, isHangUpIgnored } from "../index.js";
import { EXIT } from "./errors.js";

/** Ctrl-C, the request to end, and a terminal or connection that is closed. On Windows, the last is a closed window. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** npm forwards a Ctrl-C that its child has received: a second signal within this time is the same key press. */
const NPM_ECHO_MS = 400;

/** A signal that is aborted by the first Ctrl-C; the second ends the process immediately, unless it is a SIGHUP. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/** Listens for SIGINT, SIGTERM and SIGHUP until disposed; `onFirst` informs the user what happens now. */
export function listenForInterrupt(onFirst: () => void): Interrupt {
  const controller = new AbortController();
  // @env npm_lifecycle_event users: Set by npm, which passes Ctrl-C on: a second one counts only after a moment.
  // Default: it ends the program immediately.
  const underNpm = process.env["npm_lifecycle_event"] !== undefined;
  let firstAt: number | undefined;

  const stop = (): void => {
    if (controller.signal.aborted) return;
    onFirst();
    controller.abort();
  };
  const listener = (name: NodeJS.Signals): void => {
    stop();
    // Of a closed terminal, shell, kernel and parents can inform several times, and end what is left: no impatience.
    if (name === "SIGHUP") return;
    const now = performance.now();
    if (firstAt === undefined) firstAt = now;
    else if (!underNpm || now - firstAt > NPM_ECHO_MS) endProcess(EXIT.interrupted);
  };

  const signals = SIGNALS.filter((name) => name !== "SIGHUP" || !isHangUpIgnored());
  for (const name of signals) process.on(name, listener);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of signals) process.off(name, listener);
    },
  };
}
