// Builds the addon: finds libtorch, configures CMake if something that it depends on changed, then runs the build
// system.
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { ensureLibTorch } from "../../lib/install/fetch.js";
import type { InstallContext } from "../../lib/install/pip.js";
import { BuildError } from "../support/errors.js";
import { readText, writeChanged } from "../support/files.js";
import { runTool } from "../support/tools.js";
import { cmake } from "./cmake.js";
import { cmakePath, findToolchain } from "./visual-studio.js";

// Of one compiler with libtorch's headers, at most.
const BYTES_PER_JOB = 2e9;
const IDLE =
  /^ninja: no work to do|Re-checking globbed directories|^\[\s*\d+%\] Built target|^(?:Consolidate|Scanning) |^gmake|^make/;

/**
 * Builds the addon of the project in `root`; with `testing` also the one of tests and benchmarks, which later builds
 * keep up to date; with `tests` also the C++ tests.
 *
 * @throws BuildError COMPILER_NOT_FOUND (on Windows), CMAKE_NOT_FOUND, DEPENDENCIES_MISSING, CONFIGURE_FAILED,
 * COMPILE_FAILED.
 * @throws ReviewKdError as `ensureLibTorch`.
 */
export async function buildNative(root: string, context: InstallContext,
  { testing = false, tests = false }: { readonly testing?: boolean; readonly tests?: boolean } = {}): Promise<void> {
  const libtorch = await ensureLibTorch({ showBar: true, ...context });
  const toolchain = process.platform === "win32" ? await findToolchain(context.env)
    : { env: context.env, compiler: undefined };
  const directory = join(root, "build/cmake");
  const stamp = join(directory, "reviewkd-configured.json");
  const wanted = JSON.stringify({ root, libtorch: libtorch.directory, version: libtorch.version, node: process.arch });

  if (!existsSync(join(directory, "CMakeCache.txt")) || (await readText(stamp)) !== wanted) {
    context.progress(
      `configuring with libtorch ${libtorch.version} (${libtorch.variant}) from ${libtorch.source}: ${libtorch.directory}`,
    );
    await cmake(["--version"], { code: "CONFIGURE_FAILED", env: toolchain.env });
    // CMake keeps a generator, a compiler and found libraries in its cache; it is deleted, since a change of one would
    // not reach the others.
    await rm(join(directory, "CMakeCache.txt"), { force: true });
    await rm(stamp, { force: true });
    // Not part of a new configuration: it would become outdated.
    await rm(join(root, "build/Release/reviewkd-testing.node"), { force: true });
    await configure(root, directory, libtorch.directory, toolchain);
    await writeFile(stamp, wanted);
  }

  if (testing) await turnOn(["REVIEWKD_TESTING", ...(tests ? ["REVIEWKD_TESTS"] : [])], directory, toolchain.env);

  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / BYTES_PER_JOB)));
  const parameters = ["--build", directory, "--config", "Release", "--parallel", String(jobs),
    ...(tests ? ["--target", "all", "reviewkd_tests"] : [])];
  await cmake(parameters, { code: "COMPILE_FAILED", cwd: root, env: toolchain.env, onLine: showUnlessIdle });
  await mkdir(join(root, "build/Release"), { recursive: true });
  await writeChanged(join(root, "build/Release/libtorch.json"), `${JSON.stringify(libtorch, undefined, 2)}\n`);
}

async function configure(root: string, directory: string, libtorch: string,
  { env, compiler }: { env: NodeJS.ProcessEnv; compiler: string | undefined }): Promise<void> {
  const cmakeJs = join(root, "node_modules/cmake-js/bin/cmake-js");
  if (!existsSync(cmakeJs))
    throw new BuildError("DEPENDENCIES_MISSING",
      `invalid checkout: expected ${cmakeJs}, received none. Run \`npm ci\`.`);
  const parameters = [
    cmakeJs,
    "configure",
    "--directory",
    root,
    "--out",
    directory,
    `--CDREVIEWKD_LIBTORCH_DIR=${cmakePath(libtorch)}`,
    `--CDREVIEWKD_OUTPUT_DIR=${cmakePath(join(root, "build/Release"))}`,
    "--CDREVIEWKD_TESTING=OFF",
    // cmake-js would take Visual Studio's own generator and compiler.
    ...(compiler === undefined ? [] : ["--generator", "Ninja", `--CDCMAKE_CXX_COMPILER=${compiler}`]),
  ];
  await runTool(process.execPath, parameters, { cwd: root, env, code: "CONFIGURE_FAILED",
    failure: "CMake cannot configure the addon", lines: 60, fix: "Fix the error." });
}

/** Adds parts that are off by default to a configured build, which keeps them. */
async function turnOn(parts: readonly string[], directory: string, env: NodeJS.ProcessEnv): Promise<void> {
  const cache = (await readText(join(directory, "CMakeCache.txt"))) ?? "";
  const missing = parts.filter((part) => !cache.includes(`\n${part}:BOOL=ON\n`));
  if (missing.length === 0) return;
  await runTool("cmake", [...missing.map((part) => `-D${part}=ON`), directory], { env, code: "CONFIGURE_FAILED",
    failure: "CMake cannot configure the tests", lines: 60,
    fix: "Install GoogleTest (Debian and Ubuntu: `apt-get install libgtest-dev`)." });
}

function showUnlessIdle(line: string): void {
  if (!IDLE.test(line)) process.stderr.write(`${line}\n`);
}
