// Builds the recording CUDA runtime and gives the environment in which a program runs on it.
import { mkdir, rm } from "node:fs/promises";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { BuildError } from "../support/errors.mjs";
import { withFileLock } from "../support/file-lock.mjs";
import { lastLines, run } from "../support/process.mjs";
import { ensureCudaHalf, ensureCudaHeaders } from "./parts.mjs";
import { writeStandIns } from "./stand-ins.mjs";

/**
 * @param {string} root of the checkout
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @returns {Promise<NodeJS.ProcessEnv>} the variables of a program on the recording runtime
 * @throws {BuildError} CONFIGURE_FAILED, COMPILE_FAILED, CMAKE_NOT_FOUND, and what fetching throws
 */
export async function buildRecording(root, env, progress) {
  const libtorch = await ensureCudaHalf(env, progress);
  const include = await ensureCudaHeaders(env, progress);
  const directory = join(root, "build", "recording");
  const output = join(directory, "Release");
  await withFileLock(join(root, "build/.recording-lock"), async () => {
    await mkdir(directory, { recursive: true });
    await writeStandIns(libtorch, join(directory, "generated"));
    const cache = join(directory, "CMakeCache.txt");
    if (existsSync(cache) && !readFileSync(cache, "utf8").includes(`${libtorch}\n`)) await rm(cache);
    progress("building the recording CUDA runtime");
    await cmake(["-S", root, "-B", directory, "-DCMAKE_BUILD_TYPE=Release", "-DREVIEWKD_CUDA_RECORDING=ON", `-DREVIEWKD_CUDA_INCLUDE_DIR=${include}`,
      `-DREVIEWKD_LIBTORCH_DIR=${libtorch}`, `-DREVIEWKD_OUTPUT_DIR=${output}`, `-DREVIEWKD_RECORDING_GENERATED_DIR=${join(directory, "generated")}`], "CONFIGURE_FAILED");
    await cmake(["--build", directory, "--target", "reviewkd_recording_all", "--parallel", String(availableParallelism())], "COMPILE_FAILED");
  }, () => progress("another build is running here: waiting for it"));
  return {
    LD_PRELOAD: join(output, "libreviewkd_recording_preload.so"),
    REVIEWKD_LIBTORCH: libtorch,
    REVIEWKD_CUDA_PLUGIN: join(output, "reviewkd_cuda_recorded.so"),
    REVIEWKD_RECORDING_CONTROL: join(output, "reviewkd_recording_control.node"),
  };
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
