// Checks one libtorch: downloads it, compiles and links against it, looks up the plugin's symbols, loads the addon.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { InstallContext } from "../../../lib/install/pip.js";
import type { Pins } from "../../../lib/install/pins.js";
import { resolveSymbols } from "../../build/cuda.js";
import { ensureNcclHeader } from "../../cuda/nccl.js";
import { BuildError } from "../../support/errors.js";
import { compileNative } from "./compile.js";
import { loadInNewProcess } from "./load.js";
import { ensureVersion } from "./pins.js";
import { hasPassed, isWarning, type CheckResult } from "./report.js";

export interface CheckContext extends InstallContext {
  /** Of the checkout. */
  readonly root: string;
  /** Of the build. */
  readonly directory: string;
  /** With bin/nvcc. */
  readonly toolkit: string;
}

/** Checks one version. A failed step is printed and its code returned; errors of the download are thrown. */
export async function checkVersion(pins: Pins, context: CheckContext): Promise<CheckResult> {
  const { root, directory, toolkit, env, progress } = context;
  const libtorch = await ensureVersion(pins, context);
  const nccl = await ensureNcclHeader(libtorch, context);
  const result: CheckResult = { torch: libtorch.version, variant: libtorch.variant, warnings: [] };
  // Everything that includes libtorch is recompiled, so that its warnings reappear. kernels.o, in another folder, does
  // not include it.
  for (const name of ["CMakeFiles", "Release"]) await rm(join(directory, name), { recursive: true, force: true });
  progress(`compiling addon and plugin for torch ${pins.torch}`);
  try {
    const { output, seconds } = await compileNative({
      root,
      directory,
      libtorch: libtorch.directory,
      toolkit,
      nccl,
      architectures: "90",
      env,
      fix: "Fix the error.",
      onLine: (line) => {
        if (isWarning(line)) result.warnings.push(line.trim());
      },
    });
    result.seconds = seconds;
    const { symbols, ncclSymbols } = await resolveSymbols(join(output, "reviewkd_cuda.so"), libtorch, toolkit);
    Object.assign(result, { symbols, ncclSymbols });
    result.models = await loadInNewProcess(output, libtorch.directory, env);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    result.error = error.code;
    progress(`torch ${pins.torch}: ${error.code}: ${error.message}`);
  }
  for (const warning of result.warnings) progress(`torch ${pins.torch}: ${warning}`);
  if (hasPassed(result)) progress(`torch ${pins.torch} passed in ${result.seconds?.toFixed(0)} s`);
  return result;
}
