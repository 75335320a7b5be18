// The addon and the CUDA plugin, compiled here for the libtorch of the GPU machine: its time is spent on measuring, and a compile error is found before.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { ensureCudaToolkit } from "../cuda/toolkit.mjs";
import { cacheRoot } from "../libtorch/cache.mjs";
import { installCudaLibTorch } from "../libtorch/cuda.mjs";
import { BuildError } from "../support/errors.mjs";
import { lastLines, run } from "../support/process.mjs";

/** @typedef {import("../libtorch/locate.mjs").Pins} Pins */

/** @type {Record<string, Pins>} what is needed of each torch version to compile and link against it, by hash */
const PINS = JSON.parse(readFileSync(new URL("./lock.json", import.meta.url), "utf8"));

export const DEFAULT_TORCH = "2.11.0";

/**
 * The cache of the kit, apart from the libtorch builds that the package itself may load.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export function kitCache(env) {
  return join(cacheRoot(env), "gpu-kit");
}

/**
 * Builds addon and plugin for one version of torch and one GPU architecture.
 *
 * @param {object} options
 * @param {string} options.root of the checkout
 * @param {string} options.torch such as `2.11.0`
 * @param {string} options.architectures CUDA architectures, such as `90`
 * @param {NodeJS.ProcessEnv} options.env
 * @param {(line: string) => void} options.progress
 * @returns {Promise<string>} the directory of the binaries
 * @throws {BuildError} USAGE for a version without pins, CONFIGURE_FAILED, COMPILE_FAILED, and what fetching the compiler and libtorch throws
 */
export async function buildForDevice({ root, torch, architectures, env, progress }) {
  const pins = pinsOf(torch);
  const libtorch = await installCudaLibTorch({ ...env, REVIEWKD_CACHE: kitCache(env) }, progress, pins);
  const toolkit = env["CUDA_HOME"] || await ensureCudaToolkit(env, progress);
  const directory = join(root, "build/gpu-kit");
  const output = join(directory, "Release");
  const hasNinja = (await run("ninja", ["--version"], { env })).status === 0;
  // A cache of CMake keeps the compiler and the libtorch that it found first.
  rmSync(join(directory, "CMakeCache.txt"), { force: true });
  progress(`compiling the addon and the plugin for torch ${torch}, architecture ${architectures}`);
  await cmake(["-S", root, "-B", directory, ...(hasNinja ? ["-G", "Ninja"] : []), "-DCMAKE_BUILD_TYPE=Release", "-DREVIEWKD_CUDA=ON", `-DREVIEWKD_LIBTORCH_DIR=${libtorch.directory}`,
    `-DREVIEWKD_CUDA_TOOLKIT_DIR=${toolkit}`, `-DREVIEWKD_CUDA_ARCHITECTURES=${architectures}`, `-DREVIEWKD_OUTPUT_DIR=${output}`], "CONFIGURE_FAILED", env);
  await cmake(["--build", directory, "--parallel", String(availableParallelism())], "COMPILE_FAILED", env);
  return output;
}

/**
 * Copies the binaries of `directory` to `target` without the symbols that only a debugger reads.
 *
 * @param {string} directory
 * @param {string} target
 */
export async function stageBinaries(directory, target) {
  const names = existsSync(directory) ? readdirSync(directory).filter((name) => /\.(?:node|so)$/.test(name)) : [];
  if (!names.includes("reviewkd.node")) {
    throw new BuildError("NOT_BUILT", `invalid --prebuilt: expected a directory with reviewkd.node, received ${directory}. Run \`npm run build\`, or pass --no-prebuilt.`);
  }
  mkdirSync(target, { recursive: true });
  for (const name of names) await strip(join(directory, name), join(target, name), ["--strip-unneeded"]);
}

/**
 * Strips a binary, or copies it as it is when this machine has no `strip`.
 *
 * @param {string} source
 * @param {string} target
 * @param {readonly string[]} [flags]
 */
export async function strip(source, target, flags = []) {
  const { status } = await run("strip", [...flags, "-o", target, source]);
  if (status !== 0) copyFileSync(source, target);
}

/** @param {string} torch */
function pinsOf(torch) {
  const pins = PINS[torch];
  if (pins !== undefined) return pins;
  throw new BuildError("USAGE", `invalid --torch: expected ${Object.keys(PINS).join(" or ")}, received ${torch}. `
    + "Add the version with its hashes to scripts/gpu/lock.json, or pass --no-prebuilt to compile on the GPU machine.");
}

/**
 * @param {readonly string[]} parameters
 * @param {string} code
 * @param {NodeJS.ProcessEnv} env
 */
async function cmake(parameters, code, env) {
  const { status, output, startError } = await run("cmake", parameters, { env });
  if (startError) throw new BuildError("CMAKE_NOT_FOUND", "invalid PATH: expected CMake 3.22 or later, received none. Install it, or pass --no-prebuilt to compile on the GPU machine.");
  if (status !== 0) throw new BuildError(code, `the build for the GPU machine failed with status ${status ?? "unknown"}:\n${lastLines(output, 40)}\nFix the error, or pass --no-prebuilt.`);
}
