// Checks one libtorch: fetches it, compiles and links against it, looks up the plugin's symbols, loads the addon.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { resolveSymbols } from "../build/cuda.mjs";
import { BuildError } from "../support/errors.mjs";
import { compileNative } from "./compile.mjs";
import { loadInNewProcess } from "./load.mjs";
import { ensureVersion } from "./pins.mjs";
import { hasPassed, isWarning } from "./report.mjs";

/**
 * @typedef {import("./report.mjs").CheckResult} CheckResult
 * @typedef {import("../libtorch/locate.mjs").Pins} Pins
 *
 * @typedef {object} CheckContext
 * @property {string} root of the checkout
 * @property {string} directory of the build
 * @property {string} toolkit with bin/nvcc
 * @property {NodeJS.ProcessEnv} env
 * @property {(line: string) => void} progress
 */

/**
 * A step that fails ends the check of this version only: its error is printed and its code returned. What fetching throws passes through.
 *
 * @param {Pins} pins
 * @param {CheckContext} context
 * @returns {Promise<CheckResult>}
 */
export async function checkVersion(pins, { root, directory, toolkit, env, progress }) {
  const libtorch = await ensureVersion(pins, env, progress);
  /** @type {CheckResult} */
  const result = { torch: libtorch.version, variant: libtorch.variant, warnings: [] };
  // Everything that includes libtorch is compiled again, so that its warnings appear again. kernels.o, which lies elsewhere, does not include it.
  for (const name of ["CMakeFiles", "Release"]) await rm(join(directory, name), { recursive: true, force: true });
  progress(`compiling addon and plugin for torch ${pins.torch}`);
  try {
    const { output, seconds } = await compileNative({
      root, directory, libtorch: libtorch.directory, toolkit, architectures: "90", env, remedy: "Fix the error.",
      onLine: (line) => { if (isWarning(line)) result.warnings.push(line.trim()); },
    });
    result.seconds = seconds;
    result.symbols = (await resolveSymbols(join(output, "reviewkd_cuda.so"), libtorch, toolkit)).symbols;
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
