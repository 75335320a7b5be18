// The CUDA builds of libtorch in the user's cache.
import { existsSync } from "node:fs";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { assertObject, valueText } from "../config/validation.js";
import { atCall, messageOf, ReviewKdError } from "../errors.js";
import { cudaLibTorchDirectory } from "./cache.js";
import { installedCudaLibTorches, readLibTorch } from "./libtorch-directory.js";

/** A CUDA build of libtorch in this user's cache. */
export interface InstalledLibTorch {
  /** The argument of `removeLibTorch`. */
  readonly name: string;
  readonly directory: string;
  /** Null if its installation is not finished. */
  readonly version: string | null;
  /** On the disk. */
  readonly bytes: number;
}

/**
 * Installs the CUDA build of libtorch that the addon works with into this user's cache, through pip: some 3 GB. The
 * hash of each file is checked. An interrupted installation resumes with the wheel at which it stopped, and counts as
 * installed only when it is complete.
 *
 * @param options - `onProgress` receives each line; without it, lines and pip's own progress bars go to standard error.
 * @returns its directory.
 * @throws ReviewKdError `DEPENDENCY_MISSING` (no Python, no pip), `DOWNLOAD_FAILED`, `CHECKSUM_MISMATCH`, `FILE_ACCESS`
 * (disk full, cache not writable), `CUDA_UNAVAILABLE` (no CUDA build for this platform).
 */
export async function installCudaLibTorch(
  options: { readonly onProgress?: ((line: string) => void) | undefined } = {},
): Promise<string> {
  assertObject(options, "options of installCudaLibTorch");
  return atCall(install(options));
}

async function install(
  { onProgress }: { readonly onProgress?: ((line: string) => void) | undefined },
): Promise<string> {
  // Loaded on demand: programs that install nothing need neither these modules nor the exit handlers that
  // proper-lockfile adds to the process.
  const { ensureCudaLibTorch } = await import("./fetch.js");
  const progress = onProgress ?? ((line: string) => void process.stderr.write(`libtorch: ${line}\n`));
  return (await ensureCudaLibTorch({ env: process.env, progress, showBar: onProgress === undefined })).directory;
}

/**
 * The CUDA builds in this user's cache, including those whose installation is not finished.
 *
 * @throws ReviewKdError `FILE_ACCESS` if the cache cannot be read.
 */
export async function listLibTorches(): Promise<InstalledLibTorch[]> {
  const folder = cudaLibTorchDirectory();
  const complete = new Set(installedCudaLibTorches().map(({ root }) => root));
  if (!existsSync(folder)) return [];
  const entries = (await readdir(folder, { withFileTypes: true })).filter((entry) =>
    entry.isDirectory() && entry.name !== ".lock"
  );
  return Promise.all(entries.map(async ({ name }) => {
    const directory = join(folder, name);
    const found = readLibTorch(directory);
    return { name, directory, version: found !== undefined && complete.has(found.root) ? found.version ?? null : null,
      bytes: await sizeOf(directory) };
  }));
}

/**
 * Removes a build from this user's cache.
 *
 * @returns the bytes that it occupied.
 * @throws ReviewKdError `UNKNOWN_NAME`, `FILE_ACCESS`.
 */
export async function removeLibTorch(name: string): Promise<number> {
  return atCall(remove(name));
}

async function remove(name: string): Promise<number> {
  if (typeof name !== "string") {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid libtorch: expected a name, received ${valueText(name)}. List them with \`reviewkd libtorch list\`.`);
  }
  const installed = await listLibTorches();
  const found = installed.find((build) => build.name === name);
  const valid = installed.map((build) => build.name);
  if (found === undefined) {
    throw new ReviewKdError("UNKNOWN_NAME",
      `invalid libtorch: expected one of ${valid.join(", ") || "none, since nothing is installed"}, received "${name}". List them with \`reviewkd libtorch list\`.`, { valid });
  }
  // Renamed first: another process finds either all of it or nothing.
  const removed = found.directory.endsWith(".partial") ? found.directory : `${found.directory}.removed.partial`;
  try {
    if (removed !== found.directory) await rename(found.directory, removed);
    await rm(removed, { recursive: true, force: true });
  } catch (error) {
    throw new ReviewKdError("FILE_ACCESS",
      `invalid permissions: expected to remove ${found.directory}, received ${messageOf(error)}. Change its permissions or its owner.`, { cause: error });
  }
  return found.bytes;
}

async function sizeOf(directory: string): Promise<number> {
  const files = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async ({ parentPath, name }) => stat(join(parentPath, name)).then(({ size }) => size, () => 0)),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
