// The ways to start a trainer and to speak with it. Nothing of what is said is known here.
import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { messageOf, ReviewKdError } from "../errors.js";
import { packageRoot } from "../install/layout.js";
import type { ToTrainer } from "./protocol.js";

/** How a trainer came to its end. */
export interface Ending {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it threw, where that is known. */
  readonly error?: string | undefined;
}

/** A running trainer, as its caller sees it. */
export interface Transport {
  post(message: ToTrainer): void;
  onMessage(listener: (message: unknown) => void): void;
  onEnd(listener: (ending: Ending) => void): void;
  /** Whether this process stays alive for it. */
  keepAlive(wanted: boolean): void;
  kill(): void;
}

export interface TransportOptions {
  readonly execPath?: string | undefined;
  readonly execArgv?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** The program of a trainer. It is compiled code even where this is not. */
const PROGRAM = join(packageRoot(), "dist", "host", "main.js");

/** A process of its own, of this Node or of another. */
export function startProcess({ execPath, execArgv = [], env = process.env }: TransportOptions): Transport {
  const child = fork(PROGRAM, [], {
    ...(execPath === undefined ? {} : { execPath }),
    execArgv: [...execArgv],
    // A program of Electron's runs as Node when it is told so. Hooks of the caller's have no business in the trainer.
    env: { ...env, NODE_OPTIONS: "", ELECTRON_RUN_AS_NODE: "1" },
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return ofChild(child);
}

function ofChild(child: ChildProcess): Transport {
  // Heard from the start: a program that cannot be started says so before anybody else listens, and never exits.
  const ending = new Promise<Ending>((resolve) => {
    child.on("exit", (exitCode, signal) => {
      // Answers may still lie in the channel, which closes behind the last of them.
      if (child.connected) child.once("disconnect", () => { resolve({ exitCode, signal }); });
      else resolve({ exitCode, signal });
    });
    child.on("error", (error) => { if (child.pid === undefined) resolve({ exitCode: null, signal: null, error: messageOf(error) }); });
  });
  return {
    // What cannot be sent any more is answered by the end of the process.
    post: (message) => { if (child.connected) child.send(message, () => undefined); },
    onMessage: (listener) => { child.on("message", listener); },
    onEnd: (listener) => { void ending.then(listener); },
    keepAlive: (wanted) => {
      for (const part of [child, child.channel]) part?.[wanted ? "ref" : "unref"]();
    },
    kill: () => { child.kill("SIGKILL"); },
  };
}

/** A thread of this process: buffers are shared and handed over, but a crash is everybody's. */
export function startWorker({ execArgv = [], env = process.env }: TransportOptions): Transport {
  const worker = new Worker(PROGRAM, { execArgv: [...execArgv], env: { ...env } });
  let error: unknown;
  worker.on("error", (reason) => { error = reason; });
  return {
    post: (message) => { worker.postMessage(message); },
    onMessage: (listener) => { worker.on("message", listener); },
    onEnd: (listener) => { worker.on("exit", (exitCode) => { listener({ exitCode, signal: null, error: error === undefined ? undefined : messageOf(error) }); }); },
    keepAlive: (wanted) => { worker[wanted ? "ref" : "unref"](); },
    kill: () => { void worker.terminate(); },
  };
}

/** The part of Electron's utility processes that is used here. */
interface UtilityProcess {
  postMessage(message: unknown): void;
  on(event: "message", listener: (message: unknown) => void): void;
  on(event: "exit", listener: (code: number) => void): void;
  kill(): boolean;
}

/** What `import("electron")` gives to a main process. */
interface Electron {
  readonly utilityProcess?: { fork(program: string, parameters: string[], options: object): UtilityProcess };
}

/** Electron's own kind of child process, which needs no permission to run as Node. */
export async function startUtilityProcess({ execArgv = [], env = process.env }: TransportOptions): Promise<Transport> {
  const { utilityProcess } = await importElectron();
  if (utilityProcess === undefined) {
    throw new ReviewKdError("DEPENDENCY_MISSING", "expected Electron's main process for a host via utilityProcess, got another one; use via: \"process\"");
  }
  const child = utilityProcess.fork(PROGRAM, [], { execArgv: [...execArgv], env: { ...env }, serviceName: "reviewkd trainer" });
  return {
    post: (message) => { child.postMessage(message); },
    onMessage: (listener) => { child.on("message", listener); },
    // Electron tells no signal.
    onEnd: (listener) => { child.on("exit", (exitCode) => { listener({ exitCode, signal: null }); }); },
    keepAlive: () => undefined,
    kill: () => { child.kill(); },
  };
}

async function importElectron(): Promise<Electron> {
  const name = "electron";
  try {
    const module = (await import(name)) as Electron & { readonly default?: Electron };
    return module.utilityProcess === undefined && typeof module.default === "object" ? module.default : module;
  } catch (cause) {
    throw new ReviewKdError("DEPENDENCY_MISSING", "expected Electron for a host via utilityProcess, got none; use via: \"process\"", { cause });
  }
}
