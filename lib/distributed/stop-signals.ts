import { z } from "zod";
import { assertFunction, parse } from "../config/validation.js";

/** Signals that ask a program to stop. */
export const StopSignals = z.array(z.enum(["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])).readonly();

/** A signal that asks a program to stop. */
export type StopSignal = z.infer<typeof StopSignals>[number];

/**
 * A Ctrl-C reaches all processes of a terminal, and a parent such as npm passes it on to a child that has received it:
 * another SIGINT within this time is the same key press.
 */
const ECHO_MS = 400;

/**
 * Listens until disposed for signals that ask this program to stop. Launchers, schedulers, shells and the kernel send
 * such a signal several times for one reason, also while a program saves: `listener` is called with the first one of
 * each kind. Another Ctrl-C alone means impatience, as only a user presses it: the listener is called with each, and
 * `isImpatient`, unless it follows within 0.4 s.
 *
 * @param signals - those to listen for; the others keep their effect.
 * @throws ReviewKdError `INVALID_ARGUMENT`: other signals, or a listener that is no function.
 * @example
 * ```ts
 * using stop = listenForStopSignals(["SIGINT", "SIGTERM"], (signal, isImpatient) => {
 *   if (isImpatient) endProcess(130);
 *   controller.abort();
 * });
 * ```
 */
export function listenForStopSignals(signals: readonly StopSignal[],
  listener: (signal: StopSignal, isImpatient: boolean) => void): Disposable {
  const chosen = parse(StopSignals, signals, "signals");
  assertFunction(listener, "listener");
  const receivedAt = new Map<NodeJS.Signals, number>();
  const onSignal = (signal: NodeJS.Signals): void => {
    const before = receivedAt.get(signal);
    const now = performance.now();
    if (before !== undefined && (signal !== "SIGINT" || now - before <= ECHO_MS)) return;
    receivedAt.set(signal, now);
    listener(signal as StopSignal, before !== undefined);
  };
  for (const signal of chosen) process.on(signal, onSignal);
  return {
    [Symbol.dispose]() {
      for (const signal of chosen) process.off(signal, onSignal);
    },
  };
}
