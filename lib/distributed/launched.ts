import { assertFunction } from "../config/validation.js";

/** The parts of a process by which it knows its launcher. */
export interface LaunchedProcess {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly ppid: number;
  readonly channel?: { unref(): void } | null | undefined;
  /** Undefined without a channel to the parent. */
  readonly connected: boolean | undefined;
  on(event: "disconnect", listener: () => void): unknown;
  off(event: "disconnect", listener: () => void): unknown;
}

/** The time that a launcher gives its processes to end, if it does not say so. */
export const DEFAULT_STOP_SECONDS = 30;

/**
 * Calls `listener` when the `reviewkd launch` or {@link launchProcesses} that started this process has ended, at once
 * if it has already, so that a killed launcher leaves no process behind. Keeps no process alive, and does nothing in
 * one that was not launched, nor in the children of a launched one.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT` for a listener that is no function.
 * @example
 * ```ts
 * using launcher = listenForLauncherEnd(() => controller.abort());
 * ```
 */
export function listenForLauncherEnd(listener: () => void): Disposable {
  assertFunction(listener, "listener");
  return watchLauncher(process, listener);
}

/**
 * How long this process may take to save and end once its launcher stops it, in seconds: what the launcher says,
 * otherwise 30.
 *
 * @example
 * ```ts
 * setTimeout(() => endProcess(130), launchStopSeconds() * 1000).unref();
 * ```
 */
export function launchStopSeconds(): number {
  return stopSecondsOf(process.env);
}

const LISTENS_TO_NOTHING: Disposable = { [Symbol.dispose]() {} };

/** Processes that have known their launcher as their parent, which another one replaces when it has ended. */
const ownChildren = new WeakSet<LaunchedProcess>();

/** {@link listenForLauncherEnd} in any process. */
export function watchLauncher(own: LaunchedProcess, listener: () => void): Disposable {
  // @env REVIEWKD_LAUNCHER_PID users: Set by `reviewkd launch` in the processes that it starts: its own process number,
  // by which they know that their channel leads to it. Default: the end of a parent stops nothing.
  const launcher = Number(own.env["REVIEWKD_LAUNCHER_PID"]);
  if (!(launcher > 0) || own.connected === undefined) return LISTENS_TO_NOTHING;
  if (own.ppid === launcher) ownChildren.add(own);
  // Children of a launched process have its variables, and a channel to it. Once the launcher has ended, they end, too.
  const hasEnded = ownChildren.has(own) ? !own.connected : !isRunning(launcher);
  if (hasEnded) listener();
  if (hasEnded || !ownChildren.has(own)) return LISTENS_TO_NOTHING;
  own.on("disconnect", listener);
  // A listener for this event keeps the process alive otherwise.
  own.channel?.unref();
  return {
    [Symbol.dispose]() {
      own.off("disconnect", listener);
    },
  };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** {@link launchStopSeconds} by any variables. */
export function stopSecondsOf(env: LaunchedProcess["env"]): number {
  // @env REVIEWKD_STOP_SECONDS users: Set by `reviewkd launch`: how long its processes may take to save and end.
  // Default: `30`.
  const seconds = Number(env["REVIEWKD_STOP_SECONDS"]);
  return seconds > 0 ? seconds : DEFAULT_STOP_SECONDS;
}
