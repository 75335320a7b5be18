// Loads a binary in a child process first, so that a crash becomes an error of this process.
import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { createHash } from "node:crypto";
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { messageOf } from "../errors.js";
import type { InstallationFinding } from "../config/schemas/system.js";
import { makeDirectorySync } from "../make-directory.js";
import { CACHE_REMEDY, cacheRoot } from "./cache.js";
import { exists } from "./look.js";
import { getMachineInfo } from "./machine-info.js";
import { CHILD_MARK, childMark, whyNotNode } from "./runtime.js";

/** An addon and, if it must not load the libtorch that it was built with, the one that is loaded before it. */
export interface Binary {
  readonly addon: string;
  readonly libtorch?: { readonly library: string; readonly preload: string } | undefined;
  /** Files that it loads: a change of one invalidates an earlier answer. */
  readonly libraries: readonly string[];
}

/** Why a binary does not load: the linker's message, or the signal that ended the child. */
export interface ProbeFailure {
  readonly message: string;
  readonly signal: NodeJS.Signals | null;
}

/** The result of a trial. */
export interface Trial {
  /** Why the binary does not load; undefined if it does, or if that could not be tried. */
  readonly failure?: ProbeFailure | undefined;
  readonly findings: readonly InstallationFinding[];
}

const TIMEOUT_MS = 120_000;

// Windows has no signals: the exit code of a crashed process is the number of its exception.
const FAULTS_OF_WINDOWS: ReadonlyMap<number, NodeJS.Signals> = new Map([
  [0xc000_001d, "SIGILL"], // STATUS_ILLEGAL_INSTRUCTION
  [0xc000_0005, "SIGSEGV"], // STATUS_ACCESS_VIOLATION
  [0xc000_0006, "SIGBUS"], // STATUS_IN_PAGE_ERROR
  [0xc000_0409, "SIGABRT"], // STATUS_STACK_BUFFER_OVERRUN, as abort() ends a process
]);

/** The first that the program writes: what does not begin so came from another program. */
const GREETING = "reviewkd loads the addon\n";

// CommonJS without modules of this package, so that it runs wherever Node does.
const PROGRAM = `
require("fs").writeSync(1, ${JSON.stringify(GREETING)});
const { addon, libtorch } = JSON.parse(process.argv[1]);
const load = (path) => { const module = { exports: {} }; process.dlopen(module, path); return module.exports; };
try {
  if (libtorch) load(libtorch.preload).loadLibrary(libtorch.library);
  load(addon).listModels();
} catch (error) {
  process.exitCode = 3;
  process.stdout.write(String(error && error.message || error));
}`;

/**
 * Loads `binary` in a child process, unless it did before: success is cached by path, size and time of its files. What
 * stands in the way of the trial, or of remembering it, is a finding; the binary may still load.
 */
export function probe(binary: Binary, cache?: string): Trial {
  // A child that turns out to be the application itself must not start another.
  if (childMark() !== undefined) return { findings: [] };
  // A packaged Electron application may refuse to run as Node and start itself instead. There, `reviewkd/worker`
  // isolates a crash.
  // @env ELECTRON_RUN_AS_NODE users: Set, Electron runs as Node does, and the addon is first tried in a child
  // process. Default: under Electron it is loaded without that.
  if (process.versions["electron"] !== undefined && process.env["ELECTRON_RUN_AS_NODE"] === undefined)
    return { findings: [] };
  const other = whyNotNode();
  if (other !== undefined)
    return untried(`${process.execPath} is ${other}, which cannot be started again to load the addon first`);
  const answer = findAnswer(binary, cache);
  if ("findings" in answer) return { ...tryInChild(binary), ...answer };
  if (exists(answer.path)) return { findings: [] };
  const trial = tryInChild(binary);
  return trial.failure !== undefined || trial.findings.length > 0 ? trial : remember(answer.path, binary);
}

function untried(reason: string): Trial {
  return {
    findings: [{ about: "trial", reason: `the addon is loaded without a trial in a process of its own: ${reason}`,
      fix: null }],
  };
}

/** The file that says that a binary loads. */
function findAnswer(binary: Binary, cache: string | undefined): { readonly path: string } | Pick<Trial, "findings"> {
  try {
    return { path: join(cache ?? cacheRoot(), "loads", fingerprint(binary)) };
  } catch (error) {
    return { findings: [cacheFinding(error)] };
  }
}

function cacheFinding(error: unknown): InstallationFinding {
  return { about: "cache", reason: `what has been tried cannot be remembered: ${messageOf(error)}`, fix: CACHE_REMEDY };
}

function fingerprint(binary: Binary): string {
  const hash = createHash("sha256").update(`${getMachineInfo().identity}\n`);
  for (const path of [binary.addon, binary.libtorch?.library, ...binary.libraries]) {
    if (path === undefined) continue;
    hash.update(`${path} ${stateOf(path)}\n`);
  }
  return hash.digest("hex");
}

/** A file that cannot be read has a state of its own: the trial finds what the linker says about it. */
function stateOf(path: string): string {
  try {
    const status = statSync(path, { throwIfNoEntry: false });
    return `${String(status?.size)} ${String(status?.mtimeMs)}`;
  } catch (error) {
    return messageOf(error);
  }
}

function tryInChild({ addon, libtorch }: Binary): Trial {
  const env: NodeJS.ProcessEnv = { ...process.env, ELECTRON_RUN_AS_NODE: "1", [CHILD_MARK]: "trial" };
  // The loaders and hooks of the calling program must not run in the child.
  delete env["NODE_OPTIONS"];
  const child = start(["-e", PROGRAM, JSON.stringify({ addon, libtorch })], env);
  // No process may be started here.
  if (child.pid === 0 || child.error !== undefined && child.status === null && child.signal === null)
    return untried(`no process may be started here (${child.error?.message ?? "refused"})`);
  if (!child.stdout.startsWith(GREETING))
    return untried(`${process.execPath} did not run as Node (exit code ${String(child.status)})`);
  if (child.signal !== null)
    return failed(`it ended its process with ${child.signal}`, child.signal);
  if (child.status === 0) return { findings: [] };
  const fault = FAULTS_OF_WINDOWS.get(child.status ?? 0);
  if (fault !== undefined) return failed(`it ended its process with ${fault}`, fault);
  return failed(
    child.stdout.slice(GREETING.length).trim() || `it ended its process with exit code ${String(child.status)}`,
  );
}

function failed(message: string, signal: NodeJS.Signals | null = null): Trial {
  return { failure: { message, signal }, findings: [] };
}

/** Starts this Node. Its permission model throws where the system reports an error. */
function start(words: readonly string[],
  env: NodeJS.ProcessEnv): Pick<SpawnSyncReturns<string>, "pid" | "status" | "signal" | "stdout" | "error"> {
  try {
    return spawnSync(process.execPath, words, { env, encoding: "utf8", timeout: TIMEOUT_MS });
  } catch (error) {
    return { pid: 0, status: null, signal: null, stdout: "", error: error as Error };
  }
}

/** Renames a temporary file, so that no reader sees part of it; a cache that cannot be written costs only time. */
function remember(answer: string, binary: Binary): Trial {
  const partial = `${answer}.${process.pid}`;
  try {
    makeDirectorySync(dirname(answer));
    writeFileSync(partial, `${binary.addon}\n`);
    renameSync(partial, answer);
    return { findings: [] };
  } catch (error) {
    rmQuietly(partial);
    // Tried again the next time.
    return { findings: [cacheFinding(error)] };
  }
}

function rmQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It was never written.
  }
}
