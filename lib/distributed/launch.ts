import { randomUUID } from "node:crypto";
import { z } from "zod";
import { Count, PositiveCount, PositiveNumber, ThreadCount } from "../config/schemas/common.js";
import { assertObject, parse } from "../config/validation.js";
import { ReviewKdError } from "../errors.js";
import { freePort } from "./free-port.js";
import { DEFAULT_STOP_SECONDS } from "./launched.js";
import { LARGEST_PORT } from "./ports.js";
import { INTERRUPTED, LaunchedProcesses, notStarted, type Failure, type ProgramOptions } from "./launched-processes.js";
import { processors } from "./processors.js";
import { listenForStopSignals, StopSignals } from "./stop-signals.js";

/** More processes than one machine has devices and cores for. */
const MOST_PROCESSES = 1024;

/** Longer than any training takes to save; timers have a bound, too. */
const MOST_STOP_SECONDS = 86_400;

const LaunchSettings = z.strictObject({
  /** Number of processes on this machine. */
  processes: PositiveCount.max(MOST_PROCESSES),
  /** Arguments of each process, after the script. Default: none. */
  args: z.array(z.string()).readonly().default([]),
  /** The program's file. Default: the one that runs here. */
  script: z.string().min(1).optional(),
  /** Options of Node before the file. Default: those of this process. */
  execArgv: z.array(z.string()).optional(),
  /** Threads of each process. Default: as the environment says, otherwise an equal share of the processors. */
  threads: ThreadCount.optional(),
  /** How often all processes are started again after one has failed. */
  maxRestarts: Count.default(0),
  /** Number of machines, on each of which a launcher starts as many processes. */
  nodes: PositiveCount.default(1),
  /** Index of this machine. */
  nodeRank: Count.default(0),
  /** Where the processes meet: on machine 0. Default: a free port of this machine. */
  master: z.strictObject({ host: z.string().min(1), port: PositiveCount.max(LARGEST_PORT) }).optional(),
  /** Seconds that processes may take to save and end once they are stopped; then they are killed. */
  stopSeconds: PositiveNumber.max(MOST_STOP_SECONDS).default(DEFAULT_STOP_SECONDS),
  /** Signals that this process passes on, each once; SIGINT once for each key press. Default: none. */
  forwardSignals: StopSignals.default([]),
});
type LaunchSettings = Omit<z.infer<typeof LaunchSettings>, "script" | "execArgv">;

/** Reports of {@link launchProcesses}. */
export type LaunchEvent =
  | {
    /** Processes were started: at first, and after a failure. */
    readonly type: "processes-start";
    readonly restarts: number;
    readonly pids: readonly number[];
  }
  | {
    /** One has ended with an error, the first to do so, or with exit code 130; the others are stopped. */
    readonly type: "process-failed";
    readonly rank: number;
    readonly exitCode: number;
    /** The name of the signal that ended it, such as "SIGKILL". */
    readonly signal: string | null;
  }
  | {
    /** Some did not end in time. */
    readonly type: "processes-killed";
    readonly stopSeconds: number;
  };

/** Options of {@link launchProcesses}. */
export interface LaunchOptions extends z.input<typeof LaunchSettings> {
  /** Stops all processes, as SIGTERM does. */
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: LaunchEvent) => void) | undefined;
}

/** The outcome of {@link launchProcesses}. */
export interface LaunchResult {
  /** That of the first process that failed, 130 if all were stopped, otherwise 0. */
  readonly exitCode: number;
  /** How often all were started again. */
  readonly restarts: number;
}

/**
 * Starts this program several times, as processes that train together, and waits until all have ended. Their output
 * passes through. Once one fails, the others have 6 seconds to report it, then get SIGTERM, and SIGKILL after
 * `stopSeconds`; then all are started again, up to `maxRestarts` times, except after exit code 2, which says that the
 * command is wrong. After exit code 130, which says that a signal has stopped one, the others have half of
 * `stopSeconds` to stop with it before they get SIGTERM, and none is started again. All stop as well when this process
 * ends, even by SIGKILL: programs of this package do by themselves, others by `listenForLauncherEnd`.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT`; `PROCESS_ENVIRONMENT`: this process was itself launched; `PORT_IN_USE`: no
 * port is free; `PROCESS_LOST`: a process cannot be started.
 * @example
 * ```ts
 * const { exitCode } = await launchProcesses({ processes: 4, script: "train.js", args: ["--epochs", "10"] });
 * ```
 */
export async function launchProcesses(options: LaunchOptions): Promise<LaunchResult> {
  assertObject(options, "launch options");
  const { signal: abort, onEvent = () => undefined, ...settings } = options;
  const plan = parsePlan(settings);
  const launcher = new Launcher(plan, onEvent);
  const onAbort = (): void => {
    launcher.stop("SIGTERM");
  };
  abort?.addEventListener("abort", onAbort);
  if (abort?.aborted === true) onAbort();
  const forwarding = listenForStopSignals(plan.forwardSignals, (signal) => {
    launcher.stop(signal);
  });
  try {
    return await launcher.run();
  } finally {
    forwarding[Symbol.dispose]();
    abort?.removeEventListener("abort", onAbort);
  }
}

/** Exit codes after which processes would end likewise again: done, wrong usage, stopped. */
const FINAL: ReadonlySet<number> = new Set([0, 2, INTERRUPTED]);

class Launcher {
  /** The same for the launchers of all machines. */
  readonly #run: string;
  #group: LaunchedProcesses | undefined;
  #isStopped = false;
  #refusal: { readonly error: unknown } | undefined;

  constructor(private readonly plan: LaunchPlan, private readonly onEvent: (event: LaunchEvent) => void) {
    const { nodes, master } = plan;
    this.#run = nodes === 1 || master === undefined ? randomUUID() : `${master.host}:${master.port}`;
  }

  stop(signal: NodeJS.Signals): void {
    this.#isStopped = true;
    this.#group?.stop(signal);
  }

  async run(): Promise<LaunchResult> {
    for (let restarts = 0;; ++restarts) {
      const exitCode = await this.#attempt(restarts);
      if (this.#isStopped || FINAL.has(exitCode) || restarts === this.plan.maxRestarts) return { exitCode, restarts };
    }
  }

  /** Starts all processes and waits until all have ended. */
  async #attempt(restarts: number): Promise<number> {
    const { processes, nodeRank, stopSeconds } = this.plan;
    const program = await programOf(this.plan, this.#run, restarts);
    if (this.#isStopped) return INTERRUPTED;
    const group = new LaunchedProcesses(program, ({ index, exitCode, signal }) => {
      this.#report({ type: "process-failed", rank: nodeRank * processes + index, exitCode, signal });
    });
    this.#group = group;
    this.#report({ type: "processes-start", restarts, pids: group.pids });
    const failures = await group.finished;
    if (group.areKilled) this.#report({ type: "processes-killed", stopSeconds });
    if (this.#refusal !== undefined) throw this.#refusal.error;
    assertStarted(failures);
    return this.#exitCode(failures);
  }

  /** An error of the callback ends the launch, once its processes have ended. */
  #report(event: LaunchEvent): void {
    if (this.#refusal !== undefined) return;
    try {
      this.onEvent(event);
    } catch (error) {
      this.#refusal = { error };
      this.stop("SIGTERM");
    }
  }

  #exitCode(failures: readonly Failure[]): number {
    if (!this.#isStopped || failures.length === 0) return failures[0]?.exitCode ?? 0;
    // One may have failed in spite of it, such as in saving.
    return failures.find(({ exitCode, signal }) => exitCode !== INTERRUPTED && signal === null)?.exitCode ??
      INTERRUPTED;
  }
}

/** Valid settings with the program to start. */
type LaunchPlan = LaunchSettings & { readonly script: string; readonly execArgv: readonly string[] };

function parsePlan(settings: z.input<typeof LaunchSettings>): LaunchPlan {
  const plan = parse(LaunchSettings, settings, "launch options");
  const { nodes, nodeRank, maxRestarts, master } = plan;
  const own = process.env["REVIEWKD_LAUNCH"];
  // A program that starts itself, whatever its arguments, would start others without end.
  if (own !== undefined) {
    throw new ReviewKdError("PROCESS_ENVIRONMENT",
      `invalid environment variable REVIEWKD_LAUNCH: expected nothing where processes are launched, received "${own}". Launch them from a process that was not launched itself.`);
  }
  if (nodeRank >= nodes) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid nodeRank in launch options: expected a whole number below nodes, which is ${nodes}, received ${nodeRank}. Number the machines from 0.`);
  }
  if (nodes > 1 && master === undefined) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid master in launch options: expected host and port for ${nodes} machines, received nothing. Pass those of machine 0, the same on all machines.`);
  }
  // Launchers of several machines do not know each other, and would count restarts differently.
  if (nodes > 1 && maxRestarts > 0) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid maxRestarts in launch options: expected 0 for ${nodes} machines, received ${maxRestarts}. Have a scheduler or torchrun restart the command.`);
  }
  const script = plan.script ?? process.argv[1];
  if (script !== undefined) return { ...plan, script, execArgv: plan.execArgv ?? process.execArgv };
  throw new ReviewKdError("INVALID_ARGUMENT",
    "invalid script in launch options: expected a file, as this program has none, received nothing. Pass the file of the program to start.");
}

async function programOf(plan: LaunchPlan, run: string, restarts: number): Promise<ProgramOptions> {
  const { processes, script, execArgv, args, stopSeconds } = plan;
  // A new port each time, so that no process of an earlier attempt is met.
  const master = plan.master ?? { host: "127.0.0.1", port: await freePort() };
  const shared = { ...inheritedEnvironment(plan), MASTER_ADDR: master.host, MASTER_PORT: String(master.port),
    WORLD_SIZE: String(plan.nodes * processes), LOCAL_WORLD_SIZE: String(processes), REVIEWKD_LAUNCH: run,
    REVIEWKD_RESTART_COUNT: String(restarts), REVIEWKD_STOP_SECONDS: String(stopSeconds),
    REVIEWKD_LAUNCHER_PID: String(process.pid) };
  const environments = Array.from({ length: processes },
    (_, index) => ({ ...shared, LOCAL_RANK: String(index), RANK: String(plan.nodeRank * processes + index) }));
  return { script, execArgv, args, stopSeconds, environments };
}

/** This process's environment without the marks of another launcher, and with the number of threads. */
function inheritedEnvironment({ processes, threads }: LaunchPlan): NodeJS.ProcessEnv {
  const { OMP_NUM_THREADS: omp, MKL_NUM_THREADS: mkl, ...others } = process.env;
  const env = Object.fromEntries(Object.entries(others).filter(([name]) => !name.startsWith("TORCHELASTIC_")));
  if (threads !== undefined) return { ...env, OMP_NUM_THREADS: String(threads) };
  if (mkl !== undefined) env["MKL_NUM_THREADS"] = mkl;
  if (omp !== undefined) return { ...env, OMP_NUM_THREADS: omp };
  return { ...env, OMP_NUM_THREADS: String(Math.max(1, Math.floor(processors() / processes))) };
}

function assertStarted(failures: readonly Failure[]): void {
  const error = failures.find((failure) => failure.error !== undefined)?.error;
  if (error !== undefined) throw notStarted(error);
}
