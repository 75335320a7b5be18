// Builds the recording CUDA runtime and gives the environment in which a program runs on it.
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { ensureVersion, pinsOf } from "../libtorch-versions/pins.mjs";
import { BuildError } from "../support/errors.mjs";
import { withFileLock } from "../support/file-lock.mjs";
import { lastLines, run } from "../support/process.mjs";
import { ensureCudaHalf, ensureCudaHeaders } from "./parts.mjs";
import { writeStandIns } from "./stand-ins.mjs";

/** What of the package its tests on the recording runtime read. */
const PACKAGE = [".mocharc.json", "bench", "dist", "lib", "package.json", "scripts", "test", "tsconfig.json"];

/**
 * @typedef {object} Recording
 * @property {string} root of the package whose programs run on the runtime
 * @property {NodeJS.ProcessEnv} env the variables of such a program
 */

/**
 * Builds the runtime and calls `work` with it, which has the build to itself. For the libtorch that the package was built with, or for another one: then the
 * addon is compiled for that as well, into a copy of the package, since a package has one addon.
 *
 * @template T
 * @param {object} options
 * @param {string} options.root of the checkout
 * @param {string | undefined} options.torch another version, such as `2.11.0`
 * @param {NodeJS.ProcessEnv} options.env
 * @param {(line: string) => void} options.progress
 * @param {(recording: Recording) => Promise<T>} work
 * @returns {Promise<T>}
 * @throws {BuildError} CONFIGURE_FAILED, COMPILE_FAILED, CMAKE_NOT_FOUND, NOT_BUILT, USAGE for a version without pins, and what fetching and `work` throw
 */
export async function withRecording({ root, torch, env, progress }, work) {
  const name = torch === undefined ? "recording" : `recording-${torch}`;
  const directory = join(root, "build", name);
  return withFileLock(join(root, `build/.${name}-lock`), async () => {
    const include = await ensureCudaHeaders(env, progress);
    await mkdir(directory, { recursive: true });
    return work(torch === undefined ? await forThePackage(root, directory, include, env, progress) : await forAnother(torch, root, directory, include, env, progress));
  }, () => progress("another check is running here: waiting for it"));
}

/**
 * @param {string} root
 * @param {string} directory of the build
 * @param {string} include
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @returns {Promise<Recording>}
 */
async function forThePackage(root, directory, include, env, progress) {
  const libtorch = await ensureCudaHalf(env, progress);
  const output = join(directory, "Release");
  progress("building the recording CUDA runtime");
  await build({ root, directory, output, libtorch, include, targets: ["reviewkd_recording_all"] });
  return { root, env: variables(output, libtorch) };
}

/**
 * @param {string} torch
 * @param {string} root
 * @param {string} directory of the build
 * @param {string} include
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @returns {Promise<Recording>}
 */
async function forAnother(torch, root, directory, include, env, progress) {
  const missing = PACKAGE.filter((name) => !existsSync(join(root, name)));
  if (missing.length > 0) throw new BuildError("NOT_BUILT", `invalid package: expected ${PACKAGE.join(", ")} in ${root}, received none of ${missing.join(", ")}. Run \`npm run build\`.`);
  const libtorch = await ensureVersion(pinsOf(torch, "--torch"), env, progress);
  const copy = join(directory, "package");
  const output = join(copy, "build/Release");
  progress(`building the recording CUDA runtime and the addon for torch ${torch}`);
  await build({ root, directory, output, libtorch: libtorch.directory, include, targets: ["reviewkd", "reviewkd_preload", "reviewkd_recording_all"] });
  for (const name of [...PACKAGE, "node_modules"]) await rm(join(copy, name), { recursive: true, force: true });
  for (const name of PACKAGE) await cp(join(root, name), join(copy, name), { recursive: true });
  await symlink(join(root, "node_modules"), join(copy, "node_modules"));
  await writeFile(join(output, "libtorch.json"), `${JSON.stringify(libtorch)}\n`);
  return { root: copy, env: variables(output, libtorch.directory) };
}

/**
 * @param {string} output
 * @param {string} libtorch
 * @returns {NodeJS.ProcessEnv}
 */
function variables(output, libtorch) {
  return {
    LD_PRELOAD: join(output, "libreviewkd_recording_preload.so"),
    REVIEWKD_LIBTORCH: libtorch,
    REVIEWKD_CUDA_PLUGIN: join(output, "reviewkd_cuda_recorded.so"),
    REVIEWKD_RECORDING_CONTROL: join(output, "reviewkd_recording_control.node"),
  };
}

/** @param {{ root: string, directory: string, output: string, libtorch: string, include: string, targets: readonly string[] }} options */
async function build({ root, directory, output, libtorch, include, targets }) {
  const generated = join(directory, "generated");
  await writeStandIns(libtorch, generated);
  const cache = join(directory, "CMakeCache.txt");
  if (existsSync(cache) && !readFileSync(cache, "utf8").includes(`${libtorch}\n`)) await rm(cache);
  await cmake(["-S", root, "-B", directory, "-DCMAKE_BUILD_TYPE=Release", "-DREVIEWKD_CUDA_RECORDING=ON", `-DREVIEWKD_CUDA_INCLUDE_DIR=${include}`,
    `-DREVIEWKD_LIBTORCH_DIR=${libtorch}`, `-DREVIEWKD_OUTPUT_DIR=${output}`, `-DREVIEWKD_RECORDING_GENERATED_DIR=${generated}`], "CONFIGURE_FAILED");
  await cmake(["--build", directory, "--target", ...targets, "--parallel", String(availableParallelism())], "COMPILE_FAILED");
}

/**
 * @param {readonly string[]} parameters
 * @param {string} code
 */
async function cmake(parameters, code) {
  const { status, output, startError } = await run("cmake", parameters);
  if (startError) throw new BuildError("CMAKE_NOT_FOUND", "missing CMake: expected version 3.22 or later on PATH, received none. Install it.");
  if (status !== 0) throw new BuildError(code, `CMake failed for the recording runtime:\n${lastLines(output, 40)}`);
}
