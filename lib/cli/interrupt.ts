import { endProcess, isHangUpIgnored, launchStopSeconds, listenForLauncherEnd } from "../index.js";
import { EXIT } from "./errors.js";

/**
 * Ctrl-C, the request to end, a terminal or connection that is closed (on Windows, a closed window), and the warning
 * of a scheduler such as SLURM before the time is up, which Windows does not have.
 */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"] as const;

/**
 * Signals that can arrive several times, or before others, for one and the same reason. Of a closed terminal, shell,
 * kernel and parents can inform; a scheduler sends SIGTERM some time after its warning, while the program saves.
 */
const WITHOUT_IMPATIENCE: ReadonlySet<NodeJS.Signals> = new Set(["SIGHUP", "SIGUSR1"]);

/** npm forwards a Ctrl-C that its child has received: a second signal within this time is the same key press. */
const NPM_ECHO_MS = 400;

/** A signal that is aborted by the first Ctrl-C; the second ends the process immediately. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * Listens until disposed for SIGINT, SIGTERM, SIGHUP and SIGUSR1, and for the end of the launcher that started this
 * process; `onFirst` informs the user what happens now.
 */
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
    if (WITHOUT_IMPATIENCE.has(name)) return;
    const now = performance.now();
    if (firstAt === undefined) firstAt = now;
    else if (!underNpm || now - firstAt > NPM_ECHO_MS) endProcess(EXIT.interrupted);
  };

  const signals = interruptSignals();
  for (const name of signals) process.on(name, listener);
  const launcher = listenForLauncherEnd(stop);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of signals) process.off(name, listener);
      launcher[Symbol.dispose]();
    },
  };
}

/** The signals that stop a command here. */
export function interruptSignals(): (typeof SIGNALS)[number][] {
  return SIGNALS.filter((name) =>
    name === "SIGHUP" ? !isHangUpIgnored() : name !== "SIGUSR1" || process.platform !== "win32"
  );
}

/**
 * Ends this process by signals and events that come before or after a command listens, and whose defaults are others:
 * Node starts its inspector on SIGUSR1, and does nothing when a launcher ends. Called once, at the start of a program.
 */
export function endByDefault(): void {
  if (process.platform !== "win32") {
    process.on("SIGUSR1", () => {
      if (process.listenerCount("SIGUSR1") === 1) endProcess(EXIT.interrupted);
    });
  }
  listenForLauncherEnd(() => {
    setTimeout(() => endProcess(EXIT.interrupted), launchStopSeconds() * 1000).unref();
  });
}
