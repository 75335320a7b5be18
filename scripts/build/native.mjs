// Builds the addon: libtorch is found, CMake is configured when something it depends on changed, then the build system does what is due.
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { ensureLibTorch } from "../libtorch/install.mjs";
import { BuildError } from "../support/errors.mjs";
import { lastLines, run } from "../support/process.mjs";
import { cmakePath, findToolchain } from "./visual-studio.mjs";

// What a compiler needs at its worst with libtorch's headers.
const BYTES_PER_JOB = 1.5e9;
const IDLE = /^ninja: no work to do|Re-checking globbed directories|^\[\s*\d+%\] Built target|^(?:Consolidate|Scanning) |^gmake|^make/;

/**
 * @param {string} root of the project
 * @param {(line: string) => void} progress
 * @param {{ tests?: boolean }} [options] `tests`: builds the C++ tests, too
 * @throws {BuildError} COMPILER_NOT_FOUND (on Windows), CMAKE_NOT_FOUND, DEPENDENCIES_MISSING, CONFIGURE_FAILED, COMPILE_FAILED, and what `ensureLibTorch` throws
 */
export async function buildNative(root, progress, { tests = false } = {}) {
  const libtorch = await ensureLibTorch(process.env, progress);
  const toolchain = process.platform === "win32" ? await findToolchain(process.env) : { env: process.env, compiler: undefined };
  const directory = join(root, "build/cmake");
  const stamp = join(directory, "reviewkd-configured.json");
  const wanted = JSON.stringify({ root, libtorch: libtorch.directory, version: libtorch.version, node: process.arch });

  if (!existsSync(join(directory, "CMakeCache.txt")) || (await readText(stamp)) !== wanted) {
    progress(`configuring with libtorch ${libtorch.version} (${libtorch.variant}) from ${libtorch.source}: ${libtorch.directory}`);
    await requireTools(root, toolchain.env);
    // CMake keeps a generator, a compiler and found libraries in its cache; it is made anew rather than changed under its feet.
    await rm(join(directory, "CMakeCache.txt"), { force: true });
    await rm(stamp, { force: true });
    await configure(root, directory, libtorch.directory, toolchain);
    await writeFile(stamp, wanted);
  }
  if (tests) await configureTests(directory, toolchain.env);

  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / BYTES_PER_JOB)));
  const parameters = ["--build", directory, "--config", "Release", "--parallel", String(jobs), ...(tests ? ["--target", "all", "reviewkd_tests"] : [])];
  const { status, output } = await run("cmake", parameters, { cwd: root, env: toolchain.env, onLine: showUnlessIdle });
  if (status !== 0) {
    // The tool's own output has been shown while it came.
    const failed = output.split("\n").findLast((line) => /error:|Error |FAILED/.test(line));
    throw new BuildError("COMPILE_FAILED", `expected the addon to compile, got errors (see above)${failed ? `; the last: ${failed.trim()}` : ""}`);
  }
  await mkdir(join(root, "build/Release"), { recursive: true });
  await writeChanged(join(root, "build/Release/libtorch.json"), `${JSON.stringify(libtorch, undefined, 2)}\n`);
}

/**
 * The path of cmake-js's program.
 *
 * @param {string} root
 */
function cmakeJsOf(root) {
  return join(root, "node_modules/cmake-js/bin/cmake-js");
}

/**
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 */
async function requireTools(root, env) {
  const version = await run("cmake", ["--version"], { env });
  if (version.startError || version.status !== 0) {
    throw new BuildError("CMAKE_NOT_FOUND",
      "expected CMake 3.22 or later for building the addon, got none on PATH; install it (Debian and Ubuntu: `apt-get install cmake g++ make`)");
  }
  const cmakeJs = cmakeJsOf(root);
  if (!existsSync(cmakeJs)) {
    throw new BuildError("DEPENDENCIES_MISSING", `expected cmake-js for building the addon, got no ${cmakeJs}; run \`npm ci\``);
  }
}

/**
 * @param {string} root
 * @param {string} directory
 * @param {string} libtorch
 * @param {{ env: NodeJS.ProcessEnv, compiler: string | undefined }} toolchain
 */
async function configure(root, directory, libtorch, { env, compiler }) {
  const { status, output } = await run(process.execPath, [
    cmakeJsOf(root), "configure", "--directory", root, "--out", directory,
    `--CDREVIEWKD_LIBTORCH_DIR=${cmakePath(libtorch)}`, `--CDREVIEWKD_OUTPUT_DIR=${cmakePath(join(root, "build/Release"))}`,
    // cmake-js would take Visual Studio's own generator and compiler.
    ...(compiler === undefined ? [] : ["--generator", "Ninja", `--CDCMAKE_CXX_COMPILER=${compiler}`]),
  ], { cwd: root, env });
  if (status !== 0) throw new BuildError("CONFIGURE_FAILED", `expected CMake to configure the addon, got\n${lastLines(output, 60)}`);
}

/**
 * Adds the C++ tests to what is configured. They stay there, and no other build includes them.
 *
 * @param {string} directory
 * @param {NodeJS.ProcessEnv} env
 */
async function configureTests(directory, env) {
  if (/^REVIEWKD_TESTS:BOOL=ON$/m.test((await readText(join(directory, "CMakeCache.txt"))) ?? "")) return;
  const { status, output } = await run("cmake", ["-DREVIEWKD_TESTS=ON", directory], { env });
  if (status === 0) return;
  throw new BuildError("CONFIGURE_FAILED", `invalid configuration of the C++ tests: expected GoogleTest, received\n${lastLines(output, 60)}\nInstall it (Debian and Ubuntu: \`apt-get install libgtest-dev\`).`);
}

/** @param {string} line */
function showUnlessIdle(line) {
  if (!IDLE.test(line)) process.stderr.write(`${line}\n`);
}

/** @param {string} path */
async function readText(path) {
  return readFile(path, "utf8").catch(() => undefined);
}

/**
 * @param {string} path
 * @param {string} text
 */
async function writeChanged(path, text) {
  if ((await readText(path)) !== text) await writeFile(path, text);
}
