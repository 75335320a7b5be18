import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { causedBy, type ReviewKdError } from "../errors.js";

/** A program that is started several times. */
export interface ProgramOptions {
  readonly script: string;
  readonly execArgv: readonly string[];
  readonly args: readonly string[];
  /** Seconds between a request to stop and SIGKILL. */
  readonly stopSeconds: number;
  /** The environment of each process, in the order of their ranks. */
  readonly environments: readonly NodeJS.ProcessEnv[];
}

/** A process that has ended otherwise than with exit code 0. */
export interface Failure {
  /** Its index among those of this machine. */
  readonly index: number;
  /** Its exit code, or 128 and the number of the signal that ended it. */
  readonly exitCode: number;
  readonly signal: NodeJS.Signals | null;
  /** Why it could not be started. */
  readonly error?: Error;
}

/** The exit code of a program that a signal has stopped. */
export const INTERRUPTED = 130;

/** How long processes take to find out that they have lost one, and to say so. */
const REPORT_SECONDS = 6;

/** Whether processes have groups of their own here, out of the reach of a terminal's Ctrl-C, which is passed on. */
const HAS_GROUPS = process.platform !== "win32";

/** Processes of one program that live and end together: once one fails, the others are stopped. */
export class LaunchedProcesses {
  readonly #children: readonly ChildProcess[];
  readonly #living = new Set<ChildProcess>();
  readonly #failures: Failure[] = [];
  #stopper: NodeJS.Timeout | undefined;
  #killer: NodeJS.Timeout | undefined;
  #areKilled = false;
  readonly #onFailure: (failure: Failure) => void;
  /** The failures, the first one first, when all processes have ended. */
  readonly finished: Promise<readonly Failure[]>;

  constructor(private readonly program: ProgramOptions, onFailure: (failure: Failure) => void) {
    this.#onFailure = onFailure;
    this.#children = startAll(program);
    this.finished = Promise.all(this.#children.map((child, index) => this.#ended(child, index))).then(() => {
      clearTimeout(this.#stopper);
      clearTimeout(this.#killer);
      return this.#failures;
    });
  }

  /** Whether processes were killed because they did not end in time. */
  get areKilled(): boolean {
    return this.#areKilled;
  }

  get pids(): number[] {
    return this.#children.flatMap(({ pid }) => pid ?? []);
  }

  /** Asks all processes to stop by a signal, and kills them if they do not end in time. */
  stop(signal: NodeJS.Signals): void {
    clearTimeout(this.#stopper);
    for (const child of this.#living) send(child, signal);
    this.#killAfterStopSeconds();
    // A process that did not listen yet has missed others, such as SIGUSR1; to one that saves it means nothing new.
    if (signal !== "SIGTERM") this.#stopLater();
  }

  /** Leaves time to end without a signal: half of that until they are killed, and no longer than so many seconds. */
  #stopLater(seconds = Infinity): void {
    this.#killAfterStopSeconds();
    this.#stopper = setTimeout(() => {
      this.stop("SIGTERM");
    }, Math.min(seconds, this.program.stopSeconds / 2) * 1000);
  }

  #killAfterStopSeconds(): void {
    this.#killer ??= setTimeout(() => {
      this.#areKilled = this.#living.size > 0;
      for (const child of this.#living) kill(child);
    }, this.program.stopSeconds * 1000);
  }

  /** Waits until a process has ended. */
  #ended(child: ChildProcess, index: number): Promise<void> {
    this.#living.add(child);
    return new Promise((resolve) => {
      const end = (failure?: Failure): void => {
        if (!this.#living.delete(child)) return;
        // Processes that it has left.
        if (HAS_GROUPS) kill(child);
        if (failure !== undefined) this.#fail(failure);
        resolve();
      };
      child.once("error", (error) => {
        // Also emitted by a process that could not be sent a signal, and lives.
        if (child.pid === undefined) end({ index, exitCode: 1, signal: null, error });
      });
      child.once("exit", (code, signal) => {
        const exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
        end(exitCode === 0 ? undefined : { index, exitCode, signal });
      });
    });
  }

  #fail(failure: Failure): void {
    this.#failures.push(failure);
    if (this.#failures.length > 1 || this.#killer !== undefined) return;
    this.#onFailure(failure);
    // Processes that train together stop with the one that has received a signal; while that one saves, another signal
    // would end a program that has removed its listener. Of another end they report which one they have lost.
    this.#stopLater(failure.exitCode === INTERRUPTED && failure.signal === null ? undefined : REPORT_SECONDS);
  }
}

/** The error of a process that could not be started. */
export function notStarted(error: unknown): ReviewKdError {
  return causedBy("PROCESS_LOST", "cannot start a process", error, "Free memory, or start fewer processes.");
}

/** Starts all processes, or none. */
function startAll(program: ProgramOptions): ChildProcess[] {
  const children: ChildProcess[] = [];
  try {
    for (const env of program.environments) children.push(start(program, env));
    return children;
  } catch (error) {
    // Node reports some errors by an event, and throws others, such as a lack of memory.
    for (const child of children) {
      child.on("error", () => undefined);
      kill(child);
    }
    throw notStarted(error);
  }
}

function start({ script, execArgv, args }: ProgramOptions, env: NodeJS.ProcessEnv): ChildProcess {
  return spawn(process.execPath, [...execArgv, script, ...args], {
    // By the channel, processes notice that this one has ended, however it did.
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    detached: HAS_GROUPS,
    windowsHide: true,
    env,
  });
}

function send(child: ChildProcess, signal: NodeJS.Signals): void {
  if (HAS_GROUPS) child.kill(signal);
  // Where a signal would end it without saving, the end of the channel stops it.
  else if (child.connected) child.disconnect();
}

/** Ends a process and those that it has started. */
function kill({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(HAS_GROUPS ? -pid : pid, "SIGKILL");
  } catch {
    // All have ended.
  }
}
