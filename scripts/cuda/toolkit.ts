// The CUDA build dependencies, taken from pip wheels into the cache: the compiler, its headers, libtorch's CUDA half.
// Running kernels requires none of them.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ReviewKdError } from "../../lib/errors.js";
import { cacheRoot, checkEntry, cudaEntry, MARKER, markComplete, platformName } from "../../lib/install/cache.js";
import { cudaWheels } from "../../lib/install/fetch.js";
import type { InstallContext } from "../../lib/install/pip.js";
import { defaultPins, type Pins, type WheelSet } from "../../lib/install/pins.js";
import { CUDA_FILES, installWheels, withEntryLock, type WheelFilter } from "../../lib/install/wheels.js";

/** The contents of toolkit-pins.json. */
export interface ToolkitPins extends Omit<Pins, "torch"> {
  readonly toolkit: string;
}

export const defaultToolkit = JSON.parse(
  readFileSync(new URL("./toolkit-pins.json", import.meta.url), "utf8"),
) as ToolkitPins;

/** NVIDIA's compiler and headers. pip's layout contains the number of the CUDA release. */
const TOOLKIT_FILES: WheelFilter = { keep: /^nvidia\/cu13\/|\.dist-info\// };

/**
 * The directory with bin/nvcc and include, downloaded unless present.
 *
 * @throws ReviewKdError `CUDA_UNAVAILABLE` (none is pinned for this platform), and as `installWheels`.
 */
export async function ensureCudaToolkit(context: InstallContext, pins: ToolkitPins = defaultToolkit): Promise<string> {
  const entry = await ensureEntry(context, `cuda-toolkit/${pins.toolkit}-${platformName}`, "nvidia/cu13/bin/nvcc",
    TOOLKIT_FILES, toolkitWheels(pins), pins.pythonVersion);
  return join(entry, "nvidia/cu13");
}

/**
 * A directory with cuda_runtime_api.h: of CUDA_HOME, of the downloaded compiler, or downloaded without it.
 *
 * @throws ReviewKdError as `ensureCudaToolkit`.
 */
export async function ensureCudaHeaders(context: InstallContext): Promise<string> {
  const name = `${defaultToolkit.toolkit}-${platformName}`;
  const home = context.env["CUDA_HOME"];
  for (const include of [home && join(home, "include"),
    join(cacheRoot(context.env), "cuda-toolkit", name, "nvidia/cu13/include")]) {
    if (include && existsSync(join(include, "cuda_runtime_api.h"))) return include;
  }
  const set = select(toolkitWheels(defaultToolkit), /^nvidia-cuda-(?:runtime|crt)==/, 50);
  const entry = await ensureEntry(context, `cuda-headers/${name}`, "nvidia/cu13/include/cuda_runtime_api.h",
    TOOLKIT_FILES, set, defaultToolkit.pythonVersion);
  return join(entry, "nvidia/cu13/include");
}

/**
 * A torch directory with lib/libtorch_cuda.so: of REVIEWKD_LIBTORCH, of an installed CUDA build, or downloaded without
 * NVIDIA's libraries.
 *
 * @throws ReviewKdError `CUDA_UNAVAILABLE`, and as `installWheels`.
 */
export async function ensureCudaHalf(context: InstallContext): Promise<string> {
  const set = cudaWheels();
  const installed = join(cudaEntry(context.env, defaultPins.torch, set.variant), "torch");
  for (const directory of [context.env["REVIEWKD_LIBTORCH"], installed]) {
    if (directory && existsSync(join(directory, "lib/libtorch_cuda.so"))) return directory;
  }
  const folder = `libtorch-cuda-half/${defaultPins.torch}-${set.variant}-${platformName}`;
  return join(
    await ensureEntry(context, folder, "torch/lib/libtorch_cuda.so", CUDA_FILES, select(set, /^torch==/, 2500),
      defaultPins.pythonVersion),
    "torch",
  );
}

function toolkitWheels({ platforms }: ToolkitPins): WheelSet {
  const set = platforms[platformName];
  if (set !== undefined) return set;
  throw new ReviewKdError("CUDA_UNAVAILABLE",
    `invalid platform: expected ${Object.keys(platforms).join(" or ") || "one"} with a CUDA compiler in pip's wheels, received ${platformName}. Install NVIDIA's toolkit and set CUDA_HOME to it.`);
}

/** A part of a set of wheels. */
function select(set: WheelSet, requirements: RegExp, diskMegabytes: number): WheelSet {
  return { ...set,
    wheels: Object.fromEntries(Object.entries(set.wheels).filter(([requirement]) => requirements.test(requirement))),
    diskMegabytes };
}

/** An entry of the cache with the file `contents`, downloaded unless present. */
async function ensureEntry(context: InstallContext, name: string, contents: string, files: WheelFilter, set: WheelSet,
  pythonVersion: string): Promise<string> {
  const directory = join(cacheRoot(context.env), name);
  await withEntryLock(context, directory, async () => {
    if (existsSync(join(directory, contents))) {
      if (existsSync(join(directory, MARKER))) checkEntry(directory);
      return;
    }
    await installWheels(context, {
      directory,
      pythonVersion,
      set,
      files,
      complete: async (unpacked) => {
        if (!existsSync(join(unpacked, contents)))
          throw new ReviewKdError("FILE_CORRUPT",
            `invalid wheels: expected ${contents} in them, received none. Check the pins.`);
        await markComplete(unpacked);
      },
    });
  });
  return directory;
}
