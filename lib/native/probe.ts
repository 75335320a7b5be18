// Loads a binary in a child process first: one that ends its process is then an error here and no crash.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { thisMachine } from "./machine.js";

/** An addon, and the libtorch that is loaded before it where it is not to load the one that it was built beside. */
export interface Binary {
  readonly addon: string;
  readonly libtorch?: { readonly library: string; readonly preload: string } | undefined;
  /** Files that it loads, whose change makes an earlier answer void. */
  readonly libraries: readonly string[];
}

/** Why a binary does not load: the linker's words, or the signal that ended the child. */
export interface ProbeFailure {
  readonly message: string;
  readonly signal: NodeJS.Signals | null;
}

const TIMEOUT_MS = 120_000;

// Windows has no signals: a process that a fault ended has its number for an exit code.
const FAULTS_OF_WINDOWS: ReadonlyMap<number, NodeJS.Signals> = new Map([
  [0xc000_001d, "SIGILL"], // STATUS_ILLEGAL_INSTRUCTION
  [0xc000_0005, "SIGSEGV"], // STATUS_ACCESS_VIOLATION
  [0xc000_0006, "SIGBUS"], // STATUS_IN_PAGE_ERROR
  [0xc000_0409, "SIGABRT"], // STATUS_STACK_BUFFER_OVERRUN, as abort() ends a process
]);

// CommonJS, and without our own modules, so that it runs wherever Node does.
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

/** The directory under which this package keeps what can be made again. The build scripts use the same. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const own = env["REVIEWKD_CACHE"];
  if (own !== undefined && own !== "") return resolve(own);
  return join(env["XDG_CACHE_HOME"] || join(env["HOME"] || homedir(), ".cache"), "reviewkd");
}

/**
 * Why `binary` does not load in a child process, undefined where it does. That it does is remembered by path, size and time of its files; that
 * it does not is asked anew each time, since what it lacks may have come since.
 */
export function probe(binary: Binary, cache: string = cacheDirectory()): ProbeFailure | undefined {
  // A packaged Electron application may refuse to run as Node and start itself instead. There, `reviewkd/worker` keeps a crash apart.
  if (process.versions["electron"] !== undefined && process.env["ELECTRON_RUN_AS_NODE"] === undefined) return undefined;
  const answer = join(cache, "loads", fingerprint(binary));
  if (existsSync(answer)) return undefined;
  const failure = tryInChild(binary);
  if (failure === undefined) remember(answer, binary);
  return failure;
}

function fingerprint(binary: Binary): string {
  const hash = createHash("sha256").update(`${thisMachine().identity}\n`);
  for (const path of [binary.addon, binary.libtorch?.library, ...binary.libraries]) {
    if (path === undefined) continue;
    const status = statSync(path, { throwIfNoEntry: false });
    hash.update(`${path} ${String(status?.size)} ${String(status?.mtimeMs)}\n`);
  }
  return hash.digest("hex");
}

function tryInChild({ addon, libtorch }: Binary): ProbeFailure | undefined {
  const env: NodeJS.ProcessEnv = { ...process.env, ELECTRON_RUN_AS_NODE: "1" };
  // Hooks of the program that this is part of have no business in the child.
  delete env["NODE_OPTIONS"];
  const child = spawnSync(process.execPath, ["-e", PROGRAM, JSON.stringify({ addon, libtorch })], { env, encoding: "utf8", timeout: TIMEOUT_MS });
  // Where no process may be started there is nothing to learn from one.
  if (child.pid === 0) return undefined;
  if (child.signal !== null) return { message: `it ended its process with ${child.signal}`, signal: child.signal };
  if (child.status === 0) return undefined;
  const fault = FAULTS_OF_WINDOWS.get(child.status ?? 0);
  if (fault !== undefined) return { message: `it ended its process with ${fault}`, signal: fault };
  return { message: child.stdout.trim() || `it ended its process with exit code ${String(child.status)}`, signal: null };
}

/** Written beside and moved, so that no reader sees half of it; a cache that cannot be written costs time and nothing else. */
function remember(answer: string, binary: Binary): void {
  const partial = `${answer}.${process.pid}`;
  try {
    mkdirSync(dirname(answer), { recursive: true });
    writeFileSync(partial, `${binary.addon}\n`);
    renameSync(partial, answer);
  } catch {
    // Asked again the next time.
  }
}
