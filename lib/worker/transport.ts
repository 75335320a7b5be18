// The ways to start a worker and to exchange messages with it. Nothing is known here about the messages.
import { fork, type Serializable } from "node:child_process";
import type { EventEmitter } from "node:events";
import { dirname, join } from "node:path";
import { Worker, type MessagePort } from "node:worker_threads";
import { messageOf, ReviewKdError } from "../errors.js";
import { packageRoot } from "../install/layout.js";
import { exists } from "../install/look.js";
import { CHILD_MARK, childMark, moduleFile, otherRuntime, requireIn, whyNotNode } from "../install/runtime.js";
import type { Channel } from "./protocol.js";

/** How a worker exited. */
export interface ExitStatus {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The error that it threw, if known. */
  readonly error?: string | undefined;
}

/** A running worker, as its caller sees it. */
export interface Transport extends Channel {
  /** Whether buffers can be handed over instead of being copied. */
  readonly transfers: boolean;
  onExit: (listener: (status: ExitStatus) => void) => unknown;
  /** Whether this process stays alive for the worker. */
  keepAlive(wanted: boolean): void;
  kill: () => unknown;
}

export interface TransportOptions {
  readonly execPath?: string | undefined;
  readonly execArgv?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** The program of a worker: compiled code, also where this file is not compiled, or is part of a bundle. */
function findProgram(): string {
  const program = join(packageRoot(), "dist", "worker", "main.js");
  if (exists(program)) return program;
  throw new ReviewKdError("DEPENDENCY_MISSING",
    `invalid worker: expected its program in the package reviewkd, received no ${program}: a bundler copied this code out of the package. Keep reviewkd out of the bundle and install it alongside (docs/bundlers.md).`);
}

/** A process of its own, of this Node or of another. */
export function startProcess({ execPath, execArgv = [], env = process.env }: TransportOptions): Transport {
  const program = findProgram();
  if (childMark() !== undefined) {
    throw new ReviewKdError("DEPENDENCY_MISSING",
      `invalid execPath: expected a Node that runs the worker, received ${process.execPath}, which started this program in its place. Pass the execPath of a Node, or via: "worker".`);
  }
  const runtime = otherRuntime();
  if (runtime !== undefined) {
    throw new ReviewKdError("DEPENDENCY_MISSING",
      `invalid via: expected "worker" in ${runtime}, which exchanges no messages with a process of Node, received "process". Pass via: "worker".`);
  }
  const other = execPath === undefined ? whyNotNode() : undefined;
  if (other !== undefined) {
    throw new ReviewKdError("DEPENDENCY_MISSING",
      `invalid execPath: expected a Node that runs the worker, received none: this is ${other}. Pass the execPath of a Node, or via: "worker".`);
  }
  const child = fork(program, [], {
    ...(execPath === undefined ? {} : { execPath }),
    execArgv: [...execArgv],
    // Electron's program runs as Node with this variable. Module hooks of the caller must not be loaded in the worker.
    env: { ...env, NODE_OPTIONS: "", ELECTRON_RUN_AS_NODE: "1", [CHILD_MARK]: "worker" },
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  // Listened to from the start: a program that cannot be started reports this at once, and never exits.
  const exit = new Promise<ExitStatus>((resolve) => {
    child.on("exit", (exitCode, signal) => {
      const ended = resolve.bind(undefined, { exitCode, signal });
      // Answers may still be in the channel, which closes after the last of them.
      if (child.connected) child.once("disconnect", ended);
      else ended();
    });
    child.on("error", (error) => {
      if (child.pid === undefined) resolve({ exitCode: null, signal: null, error: messageOf(error) });
    });
  });
  return {
    transfers: false,
    // A message that cannot be sent any more is answered by the exit of the process.
    post: (message) => child.connected && child.send(message as Serializable, () => undefined),
    onMessage: (listener) => child.on("message", listener),
    onExit: (listener) => exit.then(listener),
    keepAlive(wanted) {
      for (const part of [child, child.channel]) part?.[wanted ? "ref" : "unref"]();
    },
    kill: () => child.kill("SIGKILL"),
  };
}

/** A thread of this process: buffers are handed over, but a crash ends both. */
export function startThread({ execArgv = [], env = process.env }: TransportOptions): Transport {
  const worker = new Worker(findProgram(), { execArgv: [...execArgv], env: { ...env } });
  let error: string | undefined;
  worker.on("error", (reason) => {
    error = messageOf(reason);
  });
  return {
    transfers: true,
    post: worker.postMessage.bind(worker),
    onMessage: (listener) => worker.on("message", listener),
    onExit: (listener) =>
      worker.on("exit", (exitCode) => {
        listener({ exitCode, signal: null, error });
      }),
    keepAlive(wanted) {
      worker[wanted ? "ref" : "unref"]();
    },
    kill: () => worker.terminate(),
  };
}

/** The part of Electron's module in a main process that is used here. */
interface Electron {
  readonly utilityProcess?: {
    fork(program: string, parameters: string[], options: object): UtilityProcess;
  };
}

interface UtilityProcess extends EventEmitter, Pick<MessagePort, "postMessage"> {
  /** Undefined until it has started, and after its end. */
  readonly pid: number | undefined;
  kill(): boolean;
}

/** Electron reports the number of a signal as an exit code. These are signals that the worker never exits with. */
const SIGNALS: ReadonlyMap<number, NodeJS.Signals> = new Map(
  process.platform === "win32" ? [] : [[4, "SIGILL"], [8, "SIGFPE"], [9, "SIGKILL"], [11, "SIGSEGV"]],
);

/** Electron's own kind of child process, which needs no permission to run as Node. */
export function startUtilityProcess({ execArgv = [], env = process.env }: TransportOptions): Transport {
  const { utilityProcess } = requireElectron();
  if (utilityProcess === undefined) {
    throw new ReviewKdError("DEPENDENCY_MISSING",
      'invalid via: expected Electron\'s main process for "utilityProcess", received another process. Use via: "process".');
  }
  const child = utilityProcess.fork(findProgram(), [], { execArgv: [...execArgv], env: { ...env },
    serviceName: "reviewkd worker" });
  let killed = false;
  return {
    transfers: false,
    post(message) {
      child.postMessage(message);
    },
    onMessage: (listener) => child.on("message", listener),
    onExit: (listener) =>
      child.on("exit", (code: number) => {
        listener(utilityExit(code, killed));
      }),
    keepAlive: () => undefined,
    kill: () => {
      killed = true;
      killAtOnce(child);
    },
  };
}

/** The status behind the number that Electron reports: an exit code, a signal, or 0 for what it does not know. */
function utilityExit(code: number, killed: boolean): ExitStatus {
  const signal = killed ? "SIGKILL" : SIGNALS.get(code) ?? null;
  if (signal !== null) return { exitCode: null, signal };
  return { exitCode: code, signal,
    error: code === 0 ? "which Electron also reports of a process that was killed" : undefined };
}

/** Electron's own `kill` sends SIGTERM, on which the worker saves, and SIGKILL two seconds later. */
function killAtOnce(child: UtilityProcess): void {
  if (child.pid === undefined) {
    child.kill();
    return;
  }
  try {
    process.kill(child.pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}

/** Electron's own module: `require` finds it in each version, and bundlers leave a `require` made at run time alone. */
function requireElectron(): Electron {
  try {
    return requireIn(dirname(moduleFile() ?? process.execPath))("electron") as Electron;
  } catch (cause) {
    throw new ReviewKdError("DEPENDENCY_MISSING",
      'invalid via: expected Electron for "utilityProcess", received a program without it. Use via: "process".', {
      cause,
    });
  }
}
