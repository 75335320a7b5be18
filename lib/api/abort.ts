import { ReviewKdError } from "../errors.js";
import { assertFunction, valueText } from "../config/validation.js";
import { addon } from "../native.js";
import type { NativeStopFlag } from "../native-types.js";

/** The reason of a signal that stops work which another process may have begun again. */
export class ClaimLost extends Error {}

/** @throws ReviewKdError `ABORTED` if the signal is already aborted; `INVALID_ARGUMENT` if it is no signal. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  assertSignal(signal);
  if (signal?.aborted !== true) return;
  throw new ReviewKdError("ABORTED", `${what} was not started: its signal is already aborted.`, {
    cause: signal.reason,
  });
}

/** Signals of another realm, such as a browser window's, count as well. */
function assertSignal(signal: unknown): void {
  if (signal === undefined) return;
  const { aborted, addEventListener } = (signal ?? {}) as Partial<AbortSignal>;
  if (typeof aborted === "boolean" && typeof addEventListener === "function") return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid signal: expected an AbortSignal, received ${valueText(signal)}. Pass the \`signal\` of an AbortController.`);
}

/** @throws ReviewKdError `INVALID_ARGUMENT` for what cannot be called back. */
export function assertCallback(value: unknown, name: string): void {
  if (value !== undefined) assertFunction(value, name);
}

/**
 * Runs a native operation that an `AbortSignal` stops and that reports its progress to a callback. An error thrown by
 * the callback stops the operation and becomes the rejection reason.
 */
export async function withSignal<Value, Result>(
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly onProgress?: ((value: Value) => void) | undefined;
    /** Called when the operation is asked to stop, for work that does not see the stop flag. */
    readonly onStop?: (() => void) | undefined;
    readonly what: string;
    /** Other processes run it too, and stop with this one: a signal that is aborted already stops all of them. */
    readonly isShared?: boolean | undefined;
  },
  run: (stop: NativeStopFlag, onProgress: (value: Value) => void) => Promise<Result>,
): Promise<Result> {
  if (options.isShared === true) assertSignal(options.signal);
  else throwIfAborted(options.signal, options.what);
  assertCallback(options.onProgress, "onProgress");
  const stop = addon().newStopFlag();
  const abort = (): void => {
    stop.set();
    options.onStop?.();
  };
  let callbackError: { readonly error: unknown } | undefined;
  const onProgress = (value: Value): void => {
    if (callbackError !== undefined) return;
    try {
      options.onProgress?.(value);
    } catch (error) {
      callbackError = { error };
      abort();
    }
  };
  options.signal?.addEventListener("abort", abort, { once: true });
  if (options.signal?.aborted === true) abort();
  try {
    const result = await run(stop, onProgress);
    if (callbackError === undefined) return result;
  } catch (error) {
    if (callbackError === undefined) throw error;
  } finally {
    options.signal?.removeEventListener("abort", abort);
    stop.dispose();
  }
  throw callbackError.error;
}
