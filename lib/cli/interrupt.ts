import { endProcess, isHangUpIgnored, launchStopSeconds, listenForLauncherEnd, listenForStopSignals,
  type StopSignal } from "../index.js";
import { EXIT } from "./errors.js";

/**
 * Ctrl-C, the request to end, a terminal or connection that is closed (on Windows, a closed window), and the warning
 * of a scheduler such as SLURM before the time is up, which Windows does not have.
 */
const SIGNALS: readonly StopSignal[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"];

/** A signal that is aborted by the first request to stop; a second Ctrl-C ends the process immediately. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * Listens until disposed for SIGINT, SIGTERM, SIGHUP and SIGUSR1, and for the end of the launcher that started this
 * process; `onFirst` informs the user what happens now.
 */
export function listenForInterrupt(onFirst: () => void): Interrupt {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) return;
    onFirst();
    controller.abort();
  };
  const signals = listenForStopSignals(interruptSignals(), (_, isImpatient) => {
    if (isImpatient) endProcess(EXIT.interrupted);
    stop();
  });
  const launcher = listenForLauncherEnd(stop);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      launcher[Symbol.dispose]();
      // A stopped program only has to end: by its exit code, whatever else arrives meanwhile.
      if (!controller.signal.aborted) signals[Symbol.dispose]();
    },
  };
}

/** The signals that stop a command here. */
export function interruptSignals(): StopSignal[] {
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

/**
 * Ends this process with its exit code. When a program has nothing left to do, Node removes its listeners first and
 * then frees memory for a while, in which another SIGTERM would end it without the exit code.
 */
export function endDespiteSignals(): void {
  // Windows has no such signals, and may still be writing the output.
  if (process.platform !== "win32") process.exit();
}
