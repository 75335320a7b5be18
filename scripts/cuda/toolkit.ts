// The CUDA build dependencies, taken from pip wheels into the cache: the compiler, its headers, libtorch's CUDA half.
// Running kernels requires none of them.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
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

/**
 * NVIDIA's compiler and headers; of CCCL those that the others include. pip's layout contains the number of the CUDA
 * release.
 */
const TOOLKIT_FILES: WheelFilter = { keep: /^nvidia\/cu13\/|\.dist-info\//,
  drop: /^nvidia\/cu13\/(?:include\/cccl|lib\/cmake)\// };
const CUDA_HEADER = "nvidia/cu13/include/cuda_runtime_api.h";
const CCCL_HEADER = "nvidia/cu13/include/nv/target";

/**
 * The directory with bin/nvcc and include, downloaded unless present.
 *
 * @throws ReviewKdError `CUDA_UNAVAILABLE` (none is pinned for this platform), and as `installWheels`.
 */
export async function ensureCudaToolkit(context: InstallContext, pins: ToolkitPins = defaultToolkit): Promise<string> {
  const entry = await ensureEntry(context, `cuda-toolkit/${pins.toolkit}-${platformName}`, ["nvidia/cu13/bin/nvcc",
    CCCL_HEADER], TOOLKIT_FILES, toolkitWheels(pins), pins.pythonVersion);
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
  if (home && existsSync(join(home, "include/cuda_runtime_api.h"))) return join(home, "include");
  const compiler = join(cacheRoot(context.env), "cuda-toolkit", name);
  if (hasAll(compiler, [CUDA_HEADER, CCCL_HEADER])) return dirname(join(compiler, CUDA_HEADER));
  const set = select(toolkitWheels(defaultToolkit), /^nvidia-cuda-(?:runtime|crt|cccl)==/, 50);
  const entry = await ensureEntry(context, `cuda-headers/${name}`, [CUDA_HEADER, CCCL_HEADER], TOOLKIT_FILES, set,
    defaultToolkit.pythonVersion);
  return dirname(join(entry, CUDA_HEADER));
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
    await ensureEntry(context, folder, ["torch/lib/libtorch_cuda.so"], CUDA_FILES, select(set, /^torch==/, 2500),
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

function hasAll(directory: string, files: readonly string[]): boolean {
  return files.every((file) => existsSync(join(directory, file)));
}

/** An entry of the cache with the files `contents`, downloaded unless all are present. */
export async function ensureEntry(context: InstallContext, name: string, contents: readonly string[],
  files: WheelFilter, set: WheelSet, pythonVersion: string): Promise<string> {
  const directory = join(cacheRoot(context.env), name);
  await withEntryLock(context, directory, async () => {
    if (hasAll(directory, contents)) {
      if (existsSync(join(directory, MARKER))) checkEntry(directory);
      return;
    }
    await installWheels(context, {
      directory,
      pythonVersion,
      set,
      files,
      complete: async (unpacked) => {
        if (!hasAll(unpacked, contents))
          throw new ReviewKdError("FILE_CORRUPT",
            `invalid wheels: expected ${contents.join(" and ")} in them, received less. Check the pins.`);
        await markComplete(unpacked);
      },
    });
  });
  return directory;
}
