// Fills the cache: pip downloads pinned wheels, their CPU half is unpacked beside the final place and moved there in one rename.
import { mkdir, readdir, rename, rm, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BuildError } from "../support/errors.mjs";
import { withFileLock } from "../support/file-lock.mjs";
import { lastLines, run } from "../support/process.mjs";
import { cacheEntry, cacheRoot, markComplete } from "./cache.mjs";
import { downloadCpuWheel, downloadPinnedWheels } from "./download.mjs";
import { inspectLibTorch } from "./inspect.mjs";
import { defaultPins, platformName, searchLibTorch } from "./locate.mjs";
import { python, requirePip } from "./python.mjs";

/**
 * @typedef {import("./locate.mjs").Located} Located
 * @typedef {import("./locate.mjs").Pins} Pins
 * @typedef {import("./locate.mjs").PlatformPins} PlatformPins
 * @typedef {(line: string) => void} Progress
 */

const UNPACK = fileURLToPath(new URL("./unpack.py", import.meta.url));

/**
 * Finds libtorch, and fetches it into the cache where there is none.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {Progress} progress
 * @param {Pins} [pins]
 * @returns {Promise<Located>}
 * @throws {BuildError} PYTHON_NOT_FOUND, PIP_NOT_FOUND, NETWORK_UNAVAILABLE, HASH_MISMATCH, DISK_FULL, LIBTORCH_NOT_FOUND, and what
 *   `searchLibTorch` throws
 */
export async function ensureLibTorch(env, progress, pins = defaultPins) {
  const { found, notes } = await searchLibTorch(env, pins);
  if (found) return found;
  for (const note of notes) progress(note);

  const platform = pins.platforms[platformName];
  if (!platform) {
    throw new BuildError("LIBTORCH_NOT_FOUND",
      `expected one of ${Object.keys(pins.platforms).join(", ")} for fetching libtorch, got ${platformName}; `
      + "build libtorch yourself and set REVIEWKD_LIBTORCH to its directory");
  }
  await requirePip(env);
  const folder = dirname(cacheEntry(env, pins.torch, platform.variant, platformName));
  try {
    return await withFileLock(join(folder, ".lock"), async () => {
      // The process that held the lock may have fetched it for us.
      const again = await searchLibTorch(env, pins);
      return again.found ?? fetchLibTorch(env, progress, pins, platform);
    }, () => progress("another process is fetching libtorch: waiting for it"));
  } catch (error) {
    throw fileSystemFailure(error, cacheRoot(env));
  }
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {Progress} progress
 * @param {Pins} pins
 * @param {PlatformPins} platform
 * @returns {Promise<Located>}
 */
async function fetchLibTorch(env, progress, pins, platform) {
  const final = cacheEntry(env, pins.torch, platform.variant, platformName);
  const folder = dirname(final);
  await mkdir(folder, { recursive: true });
  // We hold the lock, so what an interrupted run left behind belongs to nobody.
  for (const name of await readdir(folder)) {
    if (name.endsWith(".partial")) await rm(join(folder, name), { recursive: true, force: true });
  }
  await requireDiskSpace(folder, platform.diskMegabytes);

  const staging = `${final}.${process.pid}.partial`;
  const wheels = join(staging, "wheels");
  const unpacked = join(staging, "unpacked");
  await mkdir(wheels, { recursive: true });
  try {
    const cpuBuild = platform.variant !== "cpu" && (await downloadCpuWheel(env, progress, pins, platform, wheels));
    const variant = cpuBuild ? "cpu" : platform.variant;
    if (!cpuBuild) await downloadPinnedWheels(env, progress, pins, platform, wheels);
    for (const wheel of (await readdir(wheels)).filter((name) => name.endsWith(".whl")).sort()) {
      progress(`unpacking ${wheel}`);
      await unpack(env, join(wheels, wheel), unpacked);
    }
    inspectLibTorch(join(unpacked, "torch"), "the fetched wheel");
    await markComplete(unpacked);
    const entry = cacheEntry(env, pins.torch, variant, platformName);
    await rm(entry, { recursive: true, force: true });
    await rename(unpacked, entry);
    progress(`libtorch ${pins.torch} (${variant}) is in ${entry}`);
    return { ...inspectLibTorch(join(entry, "torch"), "the cache"), source: "cache" };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/**
 * Unpacks what is needed of a wheel, each file checked against the wheel's RECORD.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {string} wheel
 * @param {string} destination
 * @param {readonly string[]} [flags] of unpack.py
 */
export async function unpack(env, wheel, destination, flags = []) {
  const { status, output } = await run(python, [UNPACK, wheel, destination, ...flags], { env });
  if (status === 0) return;
  if (/No space left on device|Errno 28/.test(output)) throw diskFull(destination);
  if (/^corrupt: /m.test(output)) {
    throw new BuildError("HASH_MISMATCH",
      `expected the files that its RECORD lists for ${basename(wheel)}, got others:\n${lastLines(output, 3)}\nrun the build again`);
  }
  throw new BuildError("LIBTORCH_FETCH_FAILED", `expected ${basename(wheel)} to unpack, got\n${lastLines(output)}`);
}

/**
 * @param {string} folder
 * @param {number} megabytes
 */
export async function requireDiskSpace(folder, megabytes) {
  const { bavail, bsize } = await statfs(folder);
  const free = Math.floor((bavail * bsize) / 1e6);
  if (free < megabytes) throw diskFull(folder, `${megabytes} MB free`, `${free} MB`);
}

/**
 * @param {string} folder
 * @param {string} [expected]
 * @param {string} [got]
 */
function diskFull(folder, expected = "enough room", got = "a full disk") {
  return new BuildError("DISK_FULL",
    `expected ${expected} for unpacking libtorch, got ${got} in ${folder}; make room, or set REVIEWKD_CACHE to a directory on another disk`);
}

/**
 * Turns what the file system says about the cache folder into an error with a code; other errors pass unchanged.
 *
 * @param {unknown} error
 * @param {string} folder
 */
export function fileSystemFailure(error, folder) {
  const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
  if (error instanceof BuildError || !(error instanceof Error)) return error;
  if (code === "ENOSPC") return diskFull(folder);
  if (code === "EACCES" || code === "EROFS" || code === "EPERM" || code === "ENOTDIR" || code === "EEXIST") {
    return new BuildError("CACHE_UNWRITABLE",
      `expected a writable directory for the cache, got ${message}; set REVIEWKD_CACHE to a directory that you may write to`);
  }
  return error;
}
