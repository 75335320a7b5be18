// Compiles and links everything native against one libtorch: the addon, its preload library, the host emulation of the
// plugin and the plugin itself.
import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { run } from "../../../lib/install/process.js";
import { cmake } from "../../build/cmake.js";

export interface CompileOptions {
  /** Of the checkout. */
  readonly root: string;
  /** Of the build. */
  readonly directory: string;
  /** With its CUDA half. */
  readonly libtorch: string;
  /** With bin/nvcc. */
  readonly toolkit: string;
  /** With nccl.h. */
  readonly nccl: string;
  /** CUDA architectures, as CMake lists them, such as `90`. */
  readonly architectures: string;
  readonly env: NodeJS.ProcessEnv;
  /** One sentence that follows the compiler's output. */
  readonly fix: string;
  /** Called with each line of CMake, compilers and linker. */
  readonly onLine?: ((line: string) => void) | undefined;
}

/**
 * Configures and compiles. Returns the directory of the binaries, and the seconds of compiling and linking.
 *
 * @throws BuildError CMAKE_NOT_FOUND, CONFIGURE_FAILED or COMPILE_FAILED.
 */
export async function compileNative(
  { root, directory, libtorch, toolkit, nccl, architectures, env, fix, onLine }: CompileOptions,
): Promise<{ output: string; seconds: number }> {
  const output = join(directory, "Release");
  const hasNinja = (await run("ninja", ["--version"], { env })).status === 0;
  // CMake's cache keeps the compiler and the libtorch that it found first.
  rmSync(join(directory, "CMakeCache.txt"), { force: true });
  await cmake(["-S", root, "-B", directory, ...(hasNinja ? ["-G", "Ninja"] : []), "-DCMAKE_BUILD_TYPE=Release",
    "-DREVIEWKD_CUDA=ON", `-DREVIEWKD_LIBTORCH_DIR=${libtorch}`, `-DREVIEWKD_CUDA_TOOLKIT_DIR=${toolkit}`,
    `-DREVIEWKD_NCCL_INCLUDE_DIR=${nccl}`, `-DREVIEWKD_CUDA_ARCHITECTURES=${architectures}`,
    `-DREVIEWKD_OUTPUT_DIR=${output}`], { code: "CONFIGURE_FAILED", env, fix, onLine });
  const begin = performance.now();
  await cmake(["--build", directory, "--parallel", String(availableParallelism())], { code: "COMPILE_FAILED", env, fix,
    onLine });
  return { output, seconds: (performance.now() - begin) / 1000 };
}
