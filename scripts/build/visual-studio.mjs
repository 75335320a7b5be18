// What a build on Windows takes of Visual Studio: clang-cl, and the settings that its developer prompt makes.
import { existsSync } from "node:fs";
import { win32 } from "node:path";
import { BuildError } from "../support/errors.mjs";
import { run } from "../support/process.mjs";

/**
 * @typedef {object} Toolchain
 * @property {NodeJS.ProcessEnv} env for CMake and what it starts
 * @property {string} compiler
 */

const COMPONENT = "Microsoft.VisualStudio.Component.VC.Llvm.Clang";
const INSTALL = "install Visual Studio 2022 or its Build Tools with \"Desktop development with C++\" and \"C++ Clang tools for Windows\"";

/**
 * The developer prompt that this is run in, or one like it.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Toolchain>}
 * @throws {BuildError} COMPILER_NOT_FOUND
 */
export async function findToolchain(env) {
  if (env["VSCMD_VER"] !== undefined) {
    const { startError } = await run("clang-cl", ["--version"], { env });
    if (startError) throw new BuildError("COMPILER_NOT_FOUND", `expected clang-cl on the PATH of this developer prompt, got none; ${INSTALL}`);
    return { env, compiler: "clang-cl" };
  }
  const finder = win32.join(env["ProgramFiles(x86)"] ?? "C:\\Program Files (x86)", "Microsoft Visual Studio", "Installer", "vswhere.exe");
  const { stdout, startError } = await run(finder, ["-latest", "-products", "*", "-requires", COMPONENT, "-property", "installationPath", "-utf8", "-nologo"]);
  const installation = stdout.trim().split(/\r?\n/)[0] ?? "";
  if (startError || installation === "") throw new BuildError("COMPILER_NOT_FOUND", `expected a Visual Studio with clang-cl for building the addon, got none; ${INSTALL}`);

  const compiler = win32.join(installation, "VC", "Tools", "Llvm", "x64", "bin", "clang-cl.exe");
  const settings = win32.join(installation, "VC", "Auxiliary", "Build", "vcvars64.bat");
  const missing = [compiler, settings].find((path) => !existsSync(path));
  if (missing !== undefined) throw new BuildError("COMPILER_NOT_FOUND", `expected ${missing} in Visual Studio, got none; ${INSTALL}`);
  const made = await run(env["ComSpec"] ?? "cmd.exe", ["/d", "/s", "/c", `""${settings}" >nul && set"`], { env, verbatim: true });
  if (made.status !== 0) throw new BuildError("COMPILER_NOT_FOUND", `expected ${settings} to make the settings for building, got\n${made.output.trimEnd()}`);
  return { env: parseSettings(made.stdout), compiler: compiler.replaceAll("\\", "/") };
}

/**
 * What `set` prints.
 *
 * @param {string} text
 * @returns {NodeJS.ProcessEnv}
 */
export function parseSettings(text) {
  return Object.fromEntries(text.split(/\r?\n/).flatMap((line) => {
    const at = line.indexOf("=", 1);
    return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
  }));
}

/**
 * A path as CMake wants it: it takes a backslash for the beginning of something else.
 *
 * @param {string} path
 * @param {NodeJS.Platform} [platform]
 */
export function cmakePath(path, platform = process.platform) {
  return platform === "win32" ? path.replaceAll("\\", "/") : path;
}
