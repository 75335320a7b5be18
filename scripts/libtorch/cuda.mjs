// Installs both halves of a CUDA build with NVIDIA's libraries into the cache, wheel by wheel: an interrupted installation goes on with the wheel
// that it was at, and appears in one rename when the last one is unpacked.
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BuildError } from "../support/errors.mjs";
import { withFileLock } from "../support/file-lock.mjs";
import { cacheRoot, checkEntry, markComplete } from "./cache.mjs";
import { downloadPinnedWheel } from "./download.mjs";
import { inspectLibTorch } from "./inspect.mjs";
import { fileSystemFailure, requireDiskSpace, unpack } from "./install.mjs";
import { defaultPins, platformName } from "./locate.mjs";
import { requirePip } from "./python.mjs";

/**
 * @typedef {import("./locate.mjs").Located} Located
 * @typedef {import("./locate.mjs").Pins} Pins
 * @typedef {Omit<import("./locate.mjs").PlatformPins, "cuda">} CudaPins
 */

/**
 * The directory of an installed CUDA build. One that is under way has the same name and `.partial`.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {string} version
 * @param {string} variant
 */
export function cudaEntry(env, version, variant) {
  return join(cacheRoot(env), "libtorch-cuda", `${version}-${variant}-${platformName}`);
}

/**
 * Installs the CUDA build that this package's addon works with, unless it is there.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @param {Pins} [pins]
 * @returns {Promise<Located>}
 * @throws {BuildError} LIBTORCH_NOT_FOUND (no CUDA build for this platform), PYTHON_NOT_FOUND, PIP_NOT_FOUND, NETWORK_UNAVAILABLE, HASH_MISMATCH,
 *   DISK_FULL, CACHE_UNWRITABLE
 */
export async function installCudaLibTorch(env, progress, pins = defaultPins) {
  const cuda = pins.platforms[platformName]?.cuda;
  if (cuda === undefined) {
    const platforms = Object.entries(pins.platforms).filter(([, platform]) => platform.cuda !== undefined).map(([name]) => name);
    throw new BuildError("LIBTORCH_NOT_FOUND", `expected one of ${platforms.join(", ")} for a CUDA build of libtorch, got ${platformName}; use device "cpu" here`);
  }
  const entry = cudaEntry(env, pins.torch, cuda.variant);
  try {
    return await withFileLock(join(dirname(entry), ".lock"), async () => {
      if (!isWhole(entry, progress)) {
        await requirePip(env);
        await fetch(env, progress, pins, cuda, entry);
      }
      const found = inspectLibTorch(join(entry, "torch"), "the cache");
      progress(`libtorch ${found.version} (${found.variant}) is in ${entry}`);
      return { ...found, source: "cache" };
    }, () => progress("another process is installing libtorch: waiting for it"));
  } catch (error) {
    throw fileSystemFailure(error, cacheRoot(env));
  }
}

/**
 * @param {string} entry
 * @param {(line: string) => void} progress
 */
function isWhole(entry, progress) {
  if (!existsSync(entry)) return false;
  try {
    checkEntry(entry);
    return true;
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    progress(error.message);
    return false;
  }
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @param {Pins} pins
 * @param {CudaPins} cuda
 * @param {string} entry
 */
async function fetch(env, progress, pins, cuda, entry) {
  const staging = `${entry}.partial`;
  const [unpacked, done, download] = ["unpacked", "done", "download"].map((name) => join(staging, name));
  if (unpacked === undefined || done === undefined || download === undefined) throw new BuildError("INTERNAL", "expected three names, got fewer");
  await mkdir(done, { recursive: true });
  const requirements = Object.keys(cuda.wheels);
  const there = await readdir(done);
  const missing = requirements.filter((requirement) => !there.includes(noteOf(cuda, requirement)));
  if (there.length > 0) progress(`going on with wheel ${requirements.length - missing.length + 1} of ${requirements.length}`);
  await requireDiskSpace(staging, Math.ceil((cuda.diskMegabytes * missing.length) / requirements.length));

  for (const requirement of missing) {
    progress(`downloading ${requirement} through pip (${requirements.indexOf(requirement) + 1} of ${requirements.length})`);
    await rm(download, { recursive: true, force: true });
    await mkdir(download);
    await downloadPinnedWheel(env, progress, pins, cuda, requirement, download);
    const wheel = (await readdir(download)).find((name) => name.endsWith(".whl"));
    if (wheel === undefined) throw new BuildError("LIBTORCH_FETCH_FAILED", `expected a wheel of ${requirement} from pip, got none`);
    await unpack(env, join(download, wheel), unpacked, ["--cuda"]);
    // Whatever of a wheel was unpacked before an interruption is written anew; from here on it is done.
    await writeFile(join(done, noteOf(cuda, requirement)), "");
  }
  inspectLibTorch(join(unpacked, "torch"), "the fetched wheels");
  await markComplete(unpacked);
  await rm(entry, { recursive: true, force: true });
  await rename(unpacked, entry);
  await rm(staging, { recursive: true, force: true });
}

/**
 * A wheel of another hash is another wheel.
 *
 * @param {CudaPins} cuda
 * @param {string} requirement
 */
function noteOf(cuda, requirement) {
  return `${requirement}-${(cuda.wheels[requirement] ?? "").slice(0, 16)}`;
}
