// Compiles and links everything native against one libtorch: the addon, its preload library, the host emulation of the plugin and the plugin itself.
import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { BuildError } from "../support/errors.mjs";
import { lastLines, run } from "../support/process.mjs";

/**
 * @typedef {object} CompileOptions
 * @property {string} root of the checkout
 * @property {string} directory of the build
 * @property {string} libtorch with its CUDA half
 * @property {string} toolkit with bin/nvcc
 * @property {string} architectures CUDA architectures, as CMake lists them, such as `90`
 * @property {NodeJS.ProcessEnv} env
 * @property {string} remedy one sentence that follows the compiler's output
 * @property {(line: string) => void} [onLine] called with each line of CMake, compilers and linker
 *
 * @typedef {object} Compiled
 * @property {string} output the directory of the binaries
 * @property {number} seconds of compiling and linking
 */

/**
 * @param {CompileOptions} options
 * @returns {Promise<Compiled>}
 * @throws {BuildError} CMAKE_NOT_FOUND, CONFIGURE_FAILED or COMPILE_FAILED
 */
export async function compileNative({ root, directory, libtorch, toolkit, architectures, env, remedy, onLine }) {
  const output = join(directory, "Release");
  const hasNinja = (await run("ninja", ["--version"], { env })).status === 0;
  // CMake's cache keeps the compiler and the libtorch that it found first.
  rmSync(join(directory, "CMakeCache.txt"), { force: true });
  await cmake(["-S", root, "-B", directory, ...(hasNinja ? ["-G", "Ninja"] : []), "-DCMAKE_BUILD_TYPE=Release", "-DREVIEWKD_CUDA=ON", `-DREVIEWKD_LIBTORCH_DIR=${libtorch}`,
    `-DREVIEWKD_CUDA_TOOLKIT_DIR=${toolkit}`, `-DREVIEWKD_CUDA_ARCHITECTURES=${architectures}`, `-DREVIEWKD_OUTPUT_DIR=${output}`], { code: "CONFIGURE_FAILED", env, remedy, onLine });
  const begin = performance.now();
  await cmake(["--build", directory, "--parallel", String(availableParallelism())], { code: "COMPILE_FAILED", env, remedy, onLine });
  return { output, seconds: (performance.now() - begin) / 1000 };
}

/**
 * @param {readonly string[]} parameters
 * @param {{ code: string, env: NodeJS.ProcessEnv, remedy: string, onLine: ((line: string) => void) | undefined }} options
 */
async function cmake(parameters, { code, env, remedy, onLine }) {
  const { status, output, startError } = await run("cmake", parameters, { env, ...(onLine && { onLine }) });
  if (startError) throw new BuildError("CMAKE_NOT_FOUND", "invalid PATH: expected CMake 3.22 or later, received none. Install it.");
  if (status !== 0) throw new BuildError(code, `the native build failed with status ${status ?? "unknown"}:\n${lastLines(output, 40)}\n${remedy}`);
}
