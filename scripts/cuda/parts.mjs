// The parts that the recording runtime is built with: libtorch's CUDA half without NVIDIA's libraries, and the headers of the CUDA runtime. Both are found
// where `npm run build:cuda` or `reviewkd libtorch install --cuda` put them; otherwise what is missing is fetched.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheRoot, checkEntry, markComplete } from "../libtorch/cache.mjs";
import { cudaEntry } from "../libtorch/cuda.mjs";
import { fileSystemFailure } from "../libtorch/install.mjs";
import { defaultPins, platformName } from "../libtorch/locate.mjs";
import { BuildError } from "../support/errors.mjs";
import { withFileLock } from "../support/file-lock.mjs";
import { fetchWheels } from "./fetch-wheels.mjs";
import { defaultToolkit } from "./toolkit.mjs";

/** @typedef {import("../libtorch/locate.mjs").PlatformPins} PlatformPins */

/**
 * A torch directory with lib/libtorch_cuda.so.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @returns {Promise<string>}
 * @throws {BuildError} LIBTORCH_NOT_FOUND, and what fetching throws
 */
export async function ensureCudaHalf(env, progress) {
  const platform = defaultPins.platforms[platformName];
  if (platform?.cuda === undefined) throw new BuildError("LIBTORCH_NOT_FOUND", `invalid platform: expected one with a CUDA build of libtorch, received ${platformName}.`);
  const installed = join(cudaEntry(env, defaultPins.torch, platform.cuda.variant), "torch");
  for (const directory of [env["REVIEWKD_LIBTORCH"], installed]) {
    if (directory && existsSync(join(directory, "lib/libtorch_cuda.so"))) return directory;
  }
  const name = `${defaultPins.torch}-${platform.cuda.variant}-${platformName}`;
  const wheels = Object.fromEntries(Object.entries(platform.cuda.wheels).filter(([requirement]) => requirement.startsWith("torch==")));
  const entry = await ensureEntry(env, progress, { folder: "libtorch-cuda-half", name, contents: "torch/lib/libtorch_cuda.so", flag: "--cuda" },
    { ...platform.cuda, wheels, diskMegabytes: 2500 }, defaultPins);
  return join(entry, "torch");
}

/**
 * A directory with cuda_runtime_api.h.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @returns {Promise<string>}
 * @throws {BuildError} CUDA_TOOLKIT_NOT_FOUND, and what fetching throws
 */
export async function ensureCudaHeaders(env, progress) {
  const platform = defaultToolkit.platforms[platformName];
  if (platform === undefined) throw new BuildError("CUDA_TOOLKIT_NOT_FOUND", `invalid platform: expected one with CUDA's headers in pip's wheels, received ${platformName}.`);
  const name = `${defaultToolkit.toolkit}-${platformName}`;
  for (const include of [env["CUDA_HOME"] && join(env["CUDA_HOME"], "include"), join(cacheRoot(env), "cuda-toolkit", name, "nvidia/cu13/include")]) {
    if (include && existsSync(join(include, "cuda_runtime_api.h"))) return include;
  }
  const wheels = Object.fromEntries(Object.entries(platform.wheels).filter(([requirement]) => /^nvidia-cuda-(?:runtime|crt)==/.test(requirement)));
  const entry = await ensureEntry(env, progress, { folder: "cuda-headers", name, contents: "nvidia/cu13/include/cuda_runtime_api.h", flag: "--toolkit" },
    { ...platform, wheels, diskMegabytes: 50 }, { ...defaultPins, ...defaultToolkit, torch: defaultToolkit.toolkit });
  return join(entry, "nvidia/cu13/include");
}

/**
 * Fetches an entry of the cache unless it is there; it appears in one rename when all of it is unpacked.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @param {{ folder: string, name: string, contents: string, flag: string }} what
 * @param {PlatformPins} platform
 * @param {import("../libtorch/locate.mjs").Pins} pins
 * @returns {Promise<string>}
 */
async function ensureEntry(env, progress, what, platform, pins) {
  const entry = join(cacheRoot(env), what.folder, what.name);
  try {
    return await withFileLock(join(dirname(entry), ".lock"), async () => {
      if (existsSync(join(entry, what.contents))) {
        checkEntry(entry);
        return entry;
      }
      await fetchWheels(env, progress, { entry, contents: what.contents, code: "LIBTORCH_FETCH_FAILED", flag: what.flag, platform, pins, complete: markComplete });
      return entry;
    }, () => progress("another process is fetching the same: waiting for it"));
  } catch (error) {
    throw fileSystemFailure(error, cacheRoot(env));
  }
}
