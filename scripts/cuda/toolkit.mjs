// The CUDA compiler, out of pip's wheels, in the cache: what `npm run build:cuda` compiles kernels with. Nothing of it is needed to run them.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheRoot } from "../libtorch/cache.mjs";
import { fileSystemFailure } from "../libtorch/install.mjs";
import { platformName } from "../libtorch/locate.mjs";
import { BuildError } from "../support/errors.mjs";
import { withFileLock } from "../support/file-lock.mjs";
import { fetchWheels } from "./fetch-wheels.mjs";

/**
 * @typedef {import("../libtorch/locate.mjs").PlatformPins} PlatformPins
 *
 * @typedef {object} ToolkitPins the contents of lock.json
 * @property {string} toolkit
 * @property {string} pythonVersion
 * @property {Record<string, PlatformPins>} platforms
 */

/** @type {ToolkitPins} */
export const defaultToolkit = JSON.parse(readFileSync(new URL("./lock.json", import.meta.url), "utf8"));

/**
 * The directory with bin/nvcc and include. Fetches it into the cache where it is not there; it appears in one rename when all of it is unpacked.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @param {ToolkitPins} [pins]
 * @returns {Promise<string>}
 * @throws {BuildError} CUDA_TOOLKIT_NOT_FOUND (none is pinned for this platform), PYTHON_NOT_FOUND, PIP_NOT_FOUND, NETWORK_UNAVAILABLE, HASH_MISMATCH,
 *   DISK_FULL, CACHE_UNWRITABLE
 */
export async function ensureCudaToolkit(env, progress, pins = defaultToolkit) {
  const platform = pins.platforms[platformName];
  if (platform === undefined) {
    throw new BuildError("CUDA_TOOLKIT_NOT_FOUND",
      `expected one of ${Object.keys(pins.platforms).join(", ")} for fetching a CUDA compiler, got ${platformName}; install NVIDIA's toolkit and set CUDA_HOME to it`);
  }
  const entry = join(cacheRoot(env), "cuda-toolkit", `${pins.toolkit}-${platformName}`);
  try {
    return await withFileLock(join(dirname(entry), ".lock"), async () => toolkitIn(entry) ?? fetchToolkit(env, progress, pins, platform, entry),
      () => progress("another process is fetching the CUDA compiler: waiting for it"));
  } catch (error) {
    throw fileSystemFailure(error, cacheRoot(env));
  }
}

/**
 * pip's layout has the CUDA release's number in it.
 *
 * @param {string} entry
 * @returns {string | undefined}
 */
function toolkitIn(entry) {
  const directory = join(entry, "nvidia", "cu13");
  return existsSync(join(directory, "bin", "nvcc")) ? directory : undefined;
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @param {ToolkitPins} pins
 * @param {PlatformPins} platform
 * @param {string} entry
 */
async function fetchToolkit(env, progress, pins, platform, entry) {
  progress(`fetching the CUDA compiler ${pins.toolkit}, once for this machine`);
  await fetchWheels(env, progress, { entry, contents: "nvidia/cu13/bin/nvcc", code: "CUDA_TOOLKIT_NOT_FOUND", flag: "--toolkit", platform, pins: { ...pins, torch: pins.toolkit } });
  return /** @type {string} */ (toolkitIn(entry));
}
