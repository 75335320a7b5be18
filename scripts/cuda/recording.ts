// Builds the recording CUDA runtime, and the environment in which a program runs on it.
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { withFileLock } from "../../lib/install/file-lock.js";
import { inspectLibTorch } from "../../lib/install/libtorch-directory.js";
import type { InstallContext } from "../../lib/install/pip.js";
import { cmake } from "../build/cmake.js";
import { ensureVersion, pinsOf } from "../check/libtorch-versions/pins.js";
import { BuildError } from "../support/errors.js";
import { ensureNcclHeader } from "./nccl.js";
import { writeStubs } from "./stubs.js";
import { ensureCudaHalf, ensureCudaHeaders } from "./toolkit.js";

/** The files of the package that its tests on the recording runtime read. */
const PACKAGE = [".mocharc.json", "bench", "dist", "lib", "package.json", "scripts", "test", "tsconfig.json"];

export interface Recording {
  /** The package whose programs run on the runtime. */
  readonly root: string;
  /** Environment variables of such a program. */
  readonly env: NodeJS.ProcessEnv;
}

/** The checkout and the libtorch to build the recording runtime for. */
export interface RecordingOptions extends InstallContext {
  /** Of the checkout. */
  readonly root: string;
  /** Another version of libtorch, such as `2.11.0`. Default: the one that the package was built with. */
  readonly torch?: string | undefined;
}

/**
 * Builds the runtime and calls `work` with it, which then has exclusive use of the build. For another libtorch, the
 * addon is compiled as well, into a copy of the package, since a package has one addon.
 *
 * @throws BuildError CONFIGURE_FAILED, COMPILE_FAILED, CMAKE_NOT_FOUND, NOT_BUILT, USAGE for a version without pins.
 * @throws ReviewKdError as `ensureCudaHeaders` and `ensureCudaHalf`, and what `work` throws.
 */
export async function withRecording<T>(options: RecordingOptions,
  work: (recording: Recording) => Promise<T>): Promise<T> {
  const { root, torch, progress } = options;
  const name = torch === undefined ? "recording" : `recording-${torch}`;
  const directory = join(root, "build", name);
  return withFileLock(join(root, `build/.${name}-lock`), async () => {
    const include = await ensureCudaHeaders(options);
    await mkdir(directory, { recursive: true });
    return work(torch === undefined ? await buildForPackage(options, directory, include)
      : await buildForVersion(torch, options, directory, include));
  }, () => {
    progress("another check is running here: waiting for it");
  });
}

async function buildForPackage(options: RecordingOptions, directory: string, include: string): Promise<Recording> {
  const libtorch = await ensureCudaHalf(options);
  const nccl = await ensureNcclHeader(inspectLibTorch(libtorch, "CUDA half"), options);
  const output = join(directory, "Release");
  options.progress("building the recording CUDA runtime");
  await build(options.root, directory, { output, libtorch, include, nccl }, ["reviewkd_recording_all"]);
  return { root: options.root, env: variables(output, libtorch) };
}

async function buildForVersion(torch: string, { root, env, progress }: RecordingOptions, directory: string,
  include: string): Promise<Recording> {
  const missing = PACKAGE.filter((name) => !existsSync(join(root, name)));
  if (missing.length > 0)
    throw new BuildError("NOT_BUILT",
      `invalid package: expected ${PACKAGE.join(", ")} in ${root}, received none of ${missing.join(", ")}. Run \`npm run build\`.`);
  const libtorch = await ensureVersion(pinsOf(torch, "--torch"), { env, progress });
  const nccl = await ensureNcclHeader(libtorch, { env, progress });
  const copy = join(directory, "package");
  const output = join(copy, "build/Release");
  progress(`building the recording CUDA runtime and the addon for torch ${torch}`);
  await build(root, directory, { output, libtorch: libtorch.directory, include, nccl }, ["reviewkd", "reviewkd_testing",
    "reviewkd_preload", "reviewkd_recording_all"]);
  for (const name of [...PACKAGE, "node_modules"]) await rm(join(copy, name), { recursive: true, force: true });
  for (const name of PACKAGE) await cp(join(root, name), join(copy, name), { recursive: true });
  await symlink(join(root, "node_modules"), join(copy, "node_modules"));
  await writeFile(join(output, "libtorch.json"), `${JSON.stringify(libtorch)}\n`);
  return { root: copy, env: variables(output, libtorch.directory) };
}

function variables(output: string, libtorch: string): NodeJS.ProcessEnv {
  return {
    LD_PRELOAD: join(output, "libreviewkd_recording_preload.so"),
    REVIEWKD_LIBTORCH: libtorch,
    REVIEWKD_CUDA_PLUGIN: join(output, "reviewkd_cuda_recorded.so"),
    REVIEWKD_RECORDING_CONTROL: join(output, "reviewkd_recording_control.node"),
  };
}

async function build(root: string, directory: string, paths: Record<"output" | "libtorch" | "include" | "nccl", string>,
  targets: readonly string[]): Promise<void> {
  const { output, libtorch, include, nccl } = paths;
  const generated = join(directory, "generated");
  await writeStubs(libtorch, generated);
  const cache = join(directory, "CMakeCache.txt");
  if (existsSync(cache) && !readFileSync(cache, "utf8").includes(`${libtorch}\n`)) await rm(cache);
  await cmake(["-S", root, "-B", directory, "-DCMAKE_BUILD_TYPE=Release", "-DREVIEWKD_CUDA_RECORDING=ON",
    `-DREVIEWKD_CUDA_INCLUDE_DIR=${include}`, `-DREVIEWKD_NCCL_INCLUDE_DIR=${nccl}`,
    `-DREVIEWKD_LIBTORCH_DIR=${libtorch}`, `-DREVIEWKD_OUTPUT_DIR=${output}`,
    `-DREVIEWKD_RECORDING_GENERATED_DIR=${generated}`], { code: "CONFIGURE_FAILED" });
  await cmake(["--build", directory, "--target", ...targets, "--parallel", String(availableParallelism())], {
    code: "COMPILE_FAILED",
  });
}
