// Builds the plugin for CUDA devices: finds or downloads compiler and CUDA libtorch, compiles and links with CMake, and
// looks up every symbol that the plugin imports in the libraries that it will load. Needs no GPU.
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, dirname, join } from "node:path";
import { ReviewKdError } from "../../lib/errors.js";
import { cudaEntry } from "../../lib/install/cache.js";
import { cudaWheels, ensureCudaLibTorch } from "../../lib/install/fetch.js";
import { withFileLock } from "../../lib/install/file-lock.js";
import { inspectLibTorch, type LibTorch } from "../../lib/install/libtorch-directory.js";
import { torchOfPython, type InstallContext } from "../../lib/install/pip.js";
import { defaultPins } from "../../lib/install/pins.js";
import { kernelResources, type KernelResources } from "../cuda/resources.js";
import { ensureNcclHeader } from "../cuda/nccl.js";
import { ensureCudaToolkit } from "../cuda/toolkit.js";
import { definedSymbols, readLibrary } from "../package/elf.js";
import { BuildError } from "../support/errors.js";
import { versionOf } from "../support/tools.js";
import { cmake } from "./cmake.js";

export interface CudaBuild {
  /** The plugin's path. */
  readonly plugin: string;
  readonly bytes: number;
  /** Spent on compiling and linking. */
  readonly seconds: number;
  /** The version that nvcc prints. */
  readonly compiler: string;
  readonly architectures: string;
  readonly libtorch: LibTorch;
  /** The libraries that the plugin loads. */
  readonly libraries: string[];
  /** The number of symbols that were looked up in them. */
  readonly symbols: number;
  /** Of these, those of c10d's process group of NCCL. */
  readonly ncclSymbols: number;
  /** As compiled for sm_90. */
  readonly kernels: KernelResources[];
}

/**
 * Builds the plugin of the checkout in `root`.
 *
 * @throws BuildError CMAKE_NOT_FOUND, CONFIGURE_FAILED, COMPILE_FAILED, SYMBOLS_MISSING, RESOURCES_UNREADABLE.
 * @throws ReviewKdError as `ensureCudaToolkit` and `ensureCudaLibTorch`.
 */
export async function buildCuda(root: string, context: InstallContext): Promise<CudaBuild> {
  return withFileLock(join(root, "build/.cuda-lock"), () => build(root, context), () => {
    context.progress("another build is running here: waiting for it");
  });
}

async function build(root: string, context: InstallContext): Promise<CudaBuild> {
  const { env, progress } = context;
  const libtorch = await findCudaLibTorch(context);
  progress(`CUDA libtorch ${libtorch.version} (${libtorch.variant}): ${libtorch.directory}`);
  // @env CUDA_HOME builds: The CUDA toolkit whose `nvcc` compiles the plugin. Default: the one that pip downloads
  // into the cache.
  const toolkit = env["CUDA_HOME"] || await ensureCudaToolkit(context);
  const nccl = await ensureNcclHeader(libtorch, context);
  const directory = join(root, "build/cuda");
  // Separate from the addon, which `--clean-first` must not delete.
  const output = join(directory, "Release");
  await mkdir(directory, { recursive: true });
  // Its entries for the compiler and libraries may be outdated.
  await rm(join(directory, "CMakeCache.txt"), { force: true });
  await cmake(["-S", root, "-B", directory, "-DCMAKE_BUILD_TYPE=Release", "-DREVIEWKD_CUDA=ON",
    `-DREVIEWKD_CUDA_TOOLKIT_DIR=${toolkit}`, `-DREVIEWKD_NCCL_INCLUDE_DIR=${nccl}`,
    `-DREVIEWKD_LIBTORCH_DIR=${libtorch.directory}`, `-DREVIEWKD_OUTPUT_DIR=${output}`], { code: "CONFIGURE_FAILED" });
  const begin = performance.now();
  await cmake(["--build", directory, "--target", "reviewkd_cuda", "--clean-first", "--parallel",
    String(availableParallelism())], { code: "COMPILE_FAILED" });
  const seconds = (performance.now() - begin) / 1000;
  const resolved = await resolveSymbols(join(output, "reviewkd_cuda.so"), libtorch, toolkit);
  progress("listing the registers and memory of each kernel");
  const log = await cmake(["--build", directory, "--target", "reviewkd_kernel_resources"], { code: "COMPILE_FAILED" });
  const kernels = await kernelResources(log);
  // The addon searches its own directory. Replaced by a rename, since a process may have loaded the former plugin.
  const plugin = join(root, "build/Release/reviewkd_cuda.so");
  await mkdir(dirname(plugin), { recursive: true });
  await copyFile(join(output, "reviewkd_cuda.so"), `${plugin}.new`);
  await rename(`${plugin}.new`, plugin);
  return {
    plugin,
    bytes: (await stat(plugin)).size,
    seconds,
    ...resolved,
    libtorch,
    kernels,
    compiler: await versionOf(join(toolkit, "bin/nvcc"), /.*release.*/),
    architectures: /sm [\d, ]+, PTX \d+/.exec(await readFile(plugin, "latin1"))?.[0] ?? "unknown",
  };
}

/**
 * The first libtorch with its CUDA half: of REVIEWKD_LIBTORCH, of Python, the installed one, which is downloaded if
 * missing.
 */
async function findCudaLibTorch(context: InstallContext): Promise<LibTorch> {
  const { env } = context;
  const installed = join(cudaEntry(env, defaultPins.torch, cudaWheels().variant), "torch");
  for (const [origin, directory] of [["REVIEWKD_LIBTORCH", env["REVIEWKD_LIBTORCH"]], ["torch of Python",
    await torchOfPython(env)], ["cache entry", installed]] as const) {
    if (directory && existsSync(join(directory, "lib/libtorch_cuda.so"))) return inspectLibTorch(directory, origin);
    if (directory && origin === "REVIEWKD_LIBTORCH") {
      throw new ReviewKdError("FILE_UNSUPPORTED",
        `invalid REVIEWKD_LIBTORCH: expected a CUDA build, received no lib/libtorch_cuda.so in ${directory}. Name a CUDA build, or unset it.`);
    }
  }
  return ensureCudaLibTorch(context);
}

/**
 * Looks up every undefined symbol of the plugin in the libraries that it names. The linker did so too; this counts
 * them, and also holds for a plugin that was linked elsewhere. NCCL itself is none of these libraries: it comes with
 * libtorch's CUDA half, which has c10d's process group.
 *
 * @throws BuildError SYMBOLS_MISSING.
 */
export async function resolveSymbols(plugin: string, libtorch: LibTorch,
  toolkit: string): Promise<Pick<CudaBuild, "libraries" | "symbols" | "ncclSymbols">> {
  const { needed, strongImports } = await readLibrary(plugin);
  const ncclSymbols = strongImports.filter((symbol) => symbol.includes("16ProcessGroupNCCL")).length;
  if (ncclSymbols === 0 || needed.some((name) => name.startsWith("libnccl"))) {
    throw new BuildError("SYMBOLS_MISSING",
      `invalid ${basename(plugin)}: expected c10d's ProcessGroupNCCL among its symbols and no libnccl among its libraries, received ${ncclSymbols} symbols and ${needed.join(", ")}. Check cmake/ReviewkdNccl.cmake.`);
  }
  const nvidia = join(dirname(libtorch.directory), "nvidia");
  const cuda = existsSync(nvidia) ? (await readdir(nvidia)).map((name) => join(nvidia, name, "lib")) : [];
  const places = [join(libtorch.directory, "lib"), ...cuda, join(toolkit, "lib"), join(toolkit, "lib64"),
    "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64"];
  const defined = new Set<string>();
  for (const name of needed) {
    const path = places.map((place) => join(place, name)).find((candidate) => existsSync(candidate));
    if (path === undefined)
      throw new BuildError("SYMBOLS_MISSING",
        `invalid ${basename(plugin)}: expected its library ${name}, received none in ${places.join(", ")}. Link it with an installed CUDA build.`);
    for (const symbol of await definedSymbols(path)) defined.add(symbol);
  }
  const missing = strongImports.filter((symbol) => !defined.has(symbol));
  if (missing.length > 0) {
    throw new BuildError("SYMBOLS_MISSING",
      `invalid ${basename(plugin)}: expected its symbols in ${needed.join(", ")}, received none for ${missing.join(", ")}. It was linked with another libtorch: build it again.`);
  }
  return { libraries: needed, symbols: strongImports.length, ncclSymbols };
}
