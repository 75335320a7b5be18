// Loads a binary in a child process first, so that a crash becomes an error of this process.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheRoot } from "./cache.js";
import { getMachineInfo } from "./machine-info.js";

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

const TIMEOUT_MS = 120_000;

// Windows has no signals: the exit code of a crashed process is the number of its exception.
const FAULTS_OF_WINDOWS: ReadonlyMap<number, NodeJS.Signals> = new Map([
  [0xc000_001d, "SIGILL"], // STATUS_ILLEGAL_INSTRUCTION
  [0xc000_0005, "SIGSEGV"], // STATUS_ACCESS_VIOLATION
  [0xc000_0006, "SIGBUS"], // STATUS_IN_PAGE_ERROR
  [0xc000_0409, "SIGABRT"], // STATUS_STACK_BUFFER_OVERRUN, as abort() ends a process
]);

// CommonJS without modules of this package, so that it runs wherever Node does.
const PROGRAM = `
const { addon, libtorch } = JSON.parse(process.argv[1]);
const load = (path) => { const module = { exports: {} }; process.dlopen(module, path); return module.exports; };
try {
  if (libtorch) load(libtorch.preload).loadLibrary(libtorch.library);
  load(addon).listModels();
} catch (error) {
  process.exitCode = 3;
  process.stdout.write(String(error && error.message || error));
}`;

/** Why `binary` does not load in a child process. Success is cached by path, size and time of its files. */
export function probe(binary: Binary, cache: string = cacheRoot()): ProbeFailure | undefined {
  // A packaged Electron application may refuse to run as Node and start itself instead. There, `reviewkd/worker`
  // isolates a crash.
  // @env ELECTRON_RUN_AS_NODE users: Set, Electron runs as Node does, and the addon is first tried in a child
  // process. Default: under Electron it is loaded without that.
  if (process.versions["electron"] !== undefined && process.env["ELECTRON_RUN_AS_NODE"] === undefined) return undefined;
  const answer = join(cache, "loads", fingerprint(binary));
  if (existsSync(answer)) return undefined;
  const failure = tryInChild(binary);
  if (failure === undefined) remember(answer, binary);
  return failure;
}

function fingerprint(binary: Binary): string {
  const hash = createHash("sha256").update(`${getMachineInfo().identity}\n`);
  for (const path of [binary.addon, binary.libtorch?.library, ...binary.libraries]) {
    if (path === undefined) continue;
    const status = statSync(path, { throwIfNoEntry: false });
    hash.update(`${path} ${String(status?.size)} ${String(status?.mtimeMs)}\n`);
  }
  return hash.digest("hex");
}

function tryInChild({ addon, libtorch }: Binary): ProbeFailure | undefined {
  const env: NodeJS.ProcessEnv = { ...process.env, ELECTRON_RUN_AS_NODE: "1" };
  // The loaders and hooks of the calling program must not run in the child.
  delete env["NODE_OPTIONS"];
  const child = spawnSync(process.execPath, ["-e", PROGRAM, JSON.stringify({ addon, libtorch })], { env,
    encoding: "utf8", timeout: TIMEOUT_MS });
  // No process may be started here.
  if (child.pid === 0) return undefined;
  if (child.signal !== null) return { message: `it ended its process with ${child.signal}`, signal: child.signal };
  if (child.status === 0) return undefined;
  const fault = FAULTS_OF_WINDOWS.get(child.status ?? 0);
  if (fault !== undefined) return { message: `it ended its process with ${fault}`, signal: fault };
  return { message: child.stdout.trim() || `it ended its process with exit code ${String(child.status)}`,
    signal: null };
}

/** Renames a temporary file, so that no reader sees part of it; a cache that cannot be written costs only time. */
function remember(answer: string, binary: Binary): void {
  const partial = `${answer}.${process.pid}`;
  try {
    mkdirSync(dirname(answer), { recursive: true });
    writeFileSync(partial, `${binary.addon}\n`);
    renameSync(partial, answer);
  } catch {
    // Tested again the next time.
  }
}
