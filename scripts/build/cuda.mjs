// Builds the plugin for CUDA devices: compiler and CUDA libtorch are found or fetched, CMake compiles and links, and every symbol that the plugin asks
// for is looked up in the libraries that it will find. Needs no GPU.
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, dirname, join } from "node:path";
import { kernelResources } from "../cuda/resources.mjs";
import { ensureCudaToolkit } from "../cuda/toolkit.mjs";
import { cudaEntry, installCudaLibTorch } from "../libtorch/cuda.mjs";
import { inspectLibTorch } from "../libtorch/inspect.mjs";
import { defaultPins, platformName } from "../libtorch/locate.mjs";
import { torchOfPython } from "../libtorch/python.mjs";
import { definedSymbols, readLibrary } from "../package/elf.mjs";
import { BuildError } from "../support/errors.mjs";
import { withFileLock } from "../support/file-lock.mjs";
import { lastLines, run } from "../support/process.mjs";

/**
 * @typedef {import("../libtorch/inspect.mjs").LibTorch} LibTorch
 *
 * @typedef {object} CudaBuild
 * @property {string} plugin its path
 * @property {number} bytes
 * @property {number} seconds of compiling and linking
 * @property {string} compiler what nvcc says of itself
 * @property {string} architectures
 * @property {LibTorch} libtorch
 * @property {string[]} libraries that it loads
 * @property {number} symbols that were looked up in them
 * @property {import("../cuda/resources.mjs").KernelResources[]} kernels as compiled for sm_90
 */

/**
 * @param {string} root of the checkout
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @returns {Promise<CudaBuild>}
 * @throws {BuildError} CONFIGURE_FAILED, COMPILE_FAILED, SYMBOLS_MISSING, RESOURCES_UNREADABLE, and what fetching the compiler and libtorch throws
 */
export async function buildCuda(root, env, progress) {
  return withFileLock(join(root, "build/.cuda-lock"), () => build(root, env, progress), () => progress("another build is running here: waiting for it"));
}

/**
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @returns {Promise<CudaBuild>}
 */
async function build(root, env, progress) {
  const libtorch = await findCudaLibTorch(env, progress);
  progress(`CUDA libtorch ${libtorch.version} (${libtorch.variant}): ${libtorch.directory}`);
  const toolkit = env["CUDA_HOME"] || await ensureCudaToolkit(env, progress);
  const directory = join(root, "build/cuda");
  // A directory of its own: what is cleaned there must not be the addon.
  const output = join(directory, "Release");
  await mkdir(directory, { recursive: true });
  // Found libraries and a compiler that is another by now must not stay.
  await rm(join(directory, "CMakeCache.txt"), { force: true });
  await cmake(["-S", root, "-B", directory, "-DCMAKE_BUILD_TYPE=Release", "-DREVIEWKD_CUDA=ON", `-DREVIEWKD_CUDA_TOOLKIT_DIR=${toolkit}`,
    `-DREVIEWKD_LIBTORCH_DIR=${libtorch.directory}`, `-DREVIEWKD_OUTPUT_DIR=${output}`], "CONFIGURE_FAILED", "configure the plugin");
  const begin = performance.now();
  await cmake(["--build", directory, "--target", "reviewkd_cuda", "--clean-first", "--parallel", String(availableParallelism())], "COMPILE_FAILED", "compile the plugin");
  const seconds = (performance.now() - begin) / 1000;
  const resolved = await resolveSymbols(join(output, "reviewkd_cuda.so"), libtorch, toolkit);
  progress("listing the registers and memory of each kernel");
  const kernels = await kernelResources(await cmake(["--build", directory, "--target", "reviewkd_kernel_resources"], "COMPILE_FAILED", "list the resources of the kernels"));
  // Beside the addon, which looks for it there; put in place in one rename, for it may be loaded.
  const plugin = join(root, "build/Release/reviewkd_cuda.so");
  await mkdir(dirname(plugin), { recursive: true });
  await copyFile(join(output, "reviewkd_cuda.so"), `${plugin}.new`);
  await rename(`${plugin}.new`, plugin);
  return {
    plugin, bytes: (await stat(plugin)).size, seconds, ...resolved, libtorch, kernels,
    compiler: (await run(join(toolkit, "bin/nvcc"), ["--version"])).stdout.split("\n").find((line) => line.includes("release"))?.trim() ?? "unknown",
    architectures: /sm [\d, ]+, PTX \d+/.exec(await readFile(plugin, "latin1"))?.[0] ?? "unknown",
  };
}

/**
 * The first libtorch with its CUDA half: REVIEWKD_LIBTORCH, Python's, the installed one, which is fetched where there is none.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @returns {Promise<LibTorch>}
 */
async function findCudaLibTorch(env, progress) {
  const cuda = defaultPins.platforms[platformName]?.cuda;
  const installed = cuda && join(cudaEntry(env, defaultPins.torch, cuda.variant), "torch");
  for (const [origin, directory] of /** @type {const} */ ([["REVIEWKD_LIBTORCH", env["REVIEWKD_LIBTORCH"]], ["the torch of Python", await torchOfPython(env)], ["the cache", installed]])) {
    if (directory && existsSync(join(directory, "lib/libtorch_cuda.so"))) return inspectLibTorch(directory, origin);
    if (directory && origin === "REVIEWKD_LIBTORCH") {
      throw new BuildError("LIBTORCH_NOT_FOUND", `expected a CUDA build for REVIEWKD_LIBTORCH, got no lib/libtorch_cuda.so in ${directory}; name one, or unset it`);
    }
  }
  return installCudaLibTorch(env, progress);
}

/**
 * @param {readonly string[]} parameters
 * @param {string} code
 * @param {string} what
 * @returns {Promise<string>} all that it printed
 */
async function cmake(parameters, code, what) {
  /** @type {string[]} */
  const lines = [];
  const { status, output, startError } = await run("cmake", parameters, { onLine: (line) => lines.push(line) });
  if (startError) throw new BuildError("CMAKE_NOT_FOUND", "expected CMake 3.22 or later for building the plugin, got none on PATH; install it");
  if (status !== 0) throw new BuildError(code, `expected CMake to ${what}, got\n${lastLines(output, 40)}`);
  return lines.join("\n");
}

/**
 * Looks every undefined symbol of the plugin up in the libraries that it names. The linker has done so already, with the same ones; this says it in
 * figures, and holds for a plugin that somebody else linked.
 *
 * @param {string} plugin
 * @param {LibTorch} libtorch
 * @param {string} toolkit
 * @returns {Promise<{ libraries: string[], symbols: number }>}
 * @throws {BuildError} SYMBOLS_MISSING
 */
export async function resolveSymbols(plugin, libtorch, toolkit) {
  const { needed, strongImports } = await readLibrary(plugin);
  const nvidia = join(dirname(libtorch.directory), "nvidia");
  const beside = existsSync(nvidia) ? (await readdir(nvidia)).map((name) => join(nvidia, name, "lib")) : [];
  const places = [join(libtorch.directory, "lib"), ...beside, join(toolkit, "lib"), join(toolkit, "lib64"), "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64"];
  /** @type {Set<string>} */
  const defined = new Set();
  for (const name of needed) {
    const path = places.map((place) => join(place, name)).find((candidate) => existsSync(candidate));
    if (path === undefined) throw new BuildError("SYMBOLS_MISSING", `expected ${name} for ${basename(plugin)}, got none in ${places.join(", ")}`);
    for (const symbol of await definedSymbols(path)) defined.add(symbol);
  }
  const missing = strongImports.filter((symbol) => !defined.has(symbol));
  if (missing.length > 0) {
    throw new BuildError("SYMBOLS_MISSING", `expected all symbols of ${basename(plugin)} in ${needed.join(", ")}, got none for ${missing.join(", ")}: it was linked with another libtorch`);
  }
  return { libraries: needed, symbols: strongImports.length };
}
