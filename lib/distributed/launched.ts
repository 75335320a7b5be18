import { assertObject } from "../config/validation.js";

/** The variables of a process. */
interface WithVariables {
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The environment and the channel of a process; others than its own are for tests. */
interface LaunchedProcess extends WithVariables {
  readonly channel?: { unref(): void } | null | undefined;
  readonly connected: boolean;
  on(event: "disconnect", listener: () => void): unknown;
  off(event: "disconnect", listener: () => void): unknown;
}

/** The time that a launcher gives its processes to end, if it does not say so. */
export const DEFAULT_STOP_SECONDS = 30;

/**
 * Calls `listener` when the `reviewkd launch` that started this process has ended, at once if it has already, so that a
 * killed launcher leaves no process behind. Keeps no process alive, and does nothing in one that was not launched.
 *
 * @example
 * ```ts
 * using launcher = listenForLauncherEnd(() => controller.abort());
 * ```
 */
export function listenForLauncherEnd(listener: () => void, own: LaunchedProcess = process): Disposable {
  // Node's channel to a parent belongs to the launcher only in its own children, not in theirs.
  if (!isLaunched(own) || (own.connected as boolean | undefined) === undefined) return { [Symbol.dispose]() {} };
  if (!own.connected) {
    listener();
    return { [Symbol.dispose]() {} };
  }
  own.on("disconnect", listener);
  // A listener for this event keeps the process alive otherwise.
  own.channel?.unref();
  return {
    [Symbol.dispose]() {
      own.off("disconnect", listener);
    },
  };
}

function isLaunched(own: LaunchedProcess): boolean {
  const env = variablesOf(own);
  return env["REVIEWKD_LAUNCH"] !== undefined;
}

/** @throws ReviewKdError `INVALID_ARGUMENT` for an object that is no process. */
function variablesOf(own: WithVariables): WithVariables["env"] {
  assertObject(own, "process");
  assertObject(own.env, "env of the process");
  return own.env;
}

/** How long this process may take to save and end once its launcher stops it, in seconds. */
export function stopSeconds(own: WithVariables = process): number {
  const env = variablesOf(own);
  // @env REVIEWKD_STOP_SECONDS users: Set by `reviewkd launch`: how long its processes may take to save and end.
  // Default: `30`.
  const seconds = Number(env["REVIEWKD_STOP_SECONDS"]);
  return seconds > 0 ? seconds : DEFAULT_STOP_SECONDS;
}
