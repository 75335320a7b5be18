import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { messageOf, ReviewKdError, type ErrorCode } from "./errors.js";
import { packageRoot } from "./native/layout.js";
import { cudaLibTorchDirectory, installedCudaLibTorches, readLibTorch } from "./native/libtorch-directory.js";

/** A CUDA build of libtorch in this user's cache. */
export interface InstalledLibTorch {
  /** What `removeLibTorch` takes. */
  readonly name: string;
  readonly directory: string;
  /** Null where its installation is not finished. */
  readonly version: string | null;
  /** On the disk. */
  readonly bytes: number;
}

/** What the errors of the installation are called where errors have this package's codes. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  PYTHON_NOT_FOUND: "DEPENDENCY_MISSING", PIP_NOT_FOUND: "DEPENDENCY_MISSING", HASH_MISMATCH: "CHECKSUM_MISMATCH", DISK_FULL: "FILE_ACCESS",
  CACHE_UNWRITABLE: "FILE_ACCESS", LIBTORCH_NOT_FOUND: "CUDA_UNAVAILABLE", LIBTORCH_INCOMPLETE: "FILE_CORRUPT",
};

const Installed = z.looseObject({ directory: z.string() });

/**
 * Installs the CUDA build of libtorch that the addon works with into this user's cache, through pip: some 3 GB. Each file's hash is checked. What is
 * interrupted goes on with the wheel that it was at, and counts as installed only when all of it is there.
 *
 * @param options - `onProgress` is told each line; without it, lines and pip's own progress bars go to standard error.
 * @returns its directory.
 * @throws ReviewKdError `DEPENDENCY_MISSING` (no Python, no pip), `DOWNLOAD_FAILED`, `CHECKSUM_MISMATCH`, `FILE_ACCESS` (disk full, cache not
 * writable), `CUDA_UNAVAILABLE` (there is no CUDA build for this platform).
 */
export async function installCudaLibTorch({ onProgress }: { readonly onProgress?: ((line: string) => void) | undefined } = {}): Promise<string> {
  const script = join(packageRoot(), "scripts", "libtorch.mjs");
  const child = spawn(process.execPath, [script, "install", "--cuda", "--json"], {
    env: { ...process.env, NODE_OPTIONS: "", ELECTRON_RUN_AS_NODE: "1" }, stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let failure: { code: string; message: string } | undefined;
  child.stdout.setEncoding("utf8").on("data", (text: string) => { stdout += text; });
  if (onProgress === undefined) child.stderr.pipe(process.stderr, { end: false });
  const lines = createInterface({ input: child.stderr });
  lines.on("line", (line) => {
    const [, code, message] = /^([A-Z]+_[A-Z_]+): (.*)$/.exec(line) ?? [];
    if (code !== undefined && message !== undefined) failure = { code, message };
    else if (failure !== undefined) failure.message += `\n${line}`;
    else onProgress?.(line);
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on("error", (error) => { reject(new ReviewKdError("INTERNAL", `expected to start ${script}, got ${messageOf(error)}`, { cause: error })); });
    child.on("close", resolve);
  });
  if (status === 0) return Installed.parse(JSON.parse(stdout)).directory;
  const { code, message } = failure ?? { code: "", message: `expected the installation to end well, got exit code ${String(status)}; run it again, it goes on where it stopped` };
  throw new ReviewKdError(CODES[code] ?? "DOWNLOAD_FAILED", message);
}

/** The CUDA builds in this user's cache, those that are half installed included. */
export async function listLibTorches(): Promise<InstalledLibTorch[]> {
  const folder = cudaLibTorchDirectory();
  if (!existsSync(folder)) return [];
  const whole = new Set(installedCudaLibTorches().map(({ root }) => root));
  const entries = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  return Promise.all(entries.map(async ({ name }) => {
    const directory = join(folder, name);
    const found = readLibTorch(directory);
    return { name, directory, version: found !== undefined && whole.has(found.root) ? found.version ?? null : null, bytes: await sizeOf(directory) };
  }));
}

/**
 * Removes a build from this user's cache.
 *
 * @returns the bytes that it took.
 * @throws ReviewKdError `UNKNOWN_NAME`, `FILE_ACCESS`.
 */
export async function removeLibTorch(name: string): Promise<number> {
  const all = await listLibTorches();
  const found = all.find((one) => one.name === name);
  const valid = all.map((one) => one.name);
  if (found === undefined) throw new ReviewKdError("UNKNOWN_NAME", `expected one of ${valid.join(", ") || "none, for nothing is installed,"} for a libtorch, got "${name}"`, { valid });
  // Out of sight at once: whoever looks meanwhile finds nothing, and not half of it.
  const away = found.directory.endsWith(".partial") ? found.directory : `${found.directory}.removed.partial`;
  try {
    if (away !== found.directory) await rename(found.directory, away);
    await rm(away, { recursive: true, force: true });
  } catch (error) {
    throw new ReviewKdError("FILE_ACCESS", `expected to remove ${found.directory}, got ${messageOf(error)}`, { cause: error });
  }
  return found.bytes;
}

async function sizeOf(directory: string): Promise<number> {
  const files = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map(async ({ parentPath, name }) => stat(join(parentPath, name)).then(({ size }) => size, () => 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}
