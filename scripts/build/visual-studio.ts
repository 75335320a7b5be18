// Parts of Visual Studio that a build on Windows uses: clang-cl, and the environment of its developer prompt.
import { existsSync } from "node:fs";
import { win32 } from "node:path";
import { run } from "../../lib/install/process.js";
import { BuildError } from "../support/errors.js";

export interface Toolchain {
  /** For CMake and the tools that it starts. */
  readonly env: NodeJS.ProcessEnv;
  readonly compiler: string;
}

const COMPONENT = "Microsoft.VisualStudio.Component.VC.Llvm.Clang";
const INSTALL =
  'Install Visual Studio 2022 or its Build Tools with "Desktop development with C++" and "C++ Clang tools for Windows".';

/**
 * The toolchain of the developer prompt in which this runs, or of the newest installation.
 *
 * @throws BuildError COMPILER_NOT_FOUND.
 */
export async function findToolchain(env: NodeJS.ProcessEnv): Promise<Toolchain> {
  // @env VSCMD_VER builds: Set in a developer prompt of Visual Studio, whose toolchain is then used. Default: the
  // newest installation's.
  if (env["VSCMD_VER"] !== undefined) {
    const { startError } = await run("clang-cl", ["--version"], { env });
    if (startError)
      throw new BuildError("COMPILER_NOT_FOUND",
        `invalid developer prompt: expected clang-cl on its PATH, received none. ${INSTALL}`);
    return { env, compiler: "clang-cl" };
  }
  // @env ProgramFiles(x86) builds: The directory in which Visual Studio's installer is searched on Windows. Default:
  // `C:\Program Files (x86)`.
  const finder = win32.join(env["ProgramFiles(x86)"] ?? "C:\\Program Files (x86)", "Microsoft Visual Studio",
    "Installer", "vswhere.exe");
  const { stdout, startError } = await run(finder, ["-latest", "-products", "*", "-requires", COMPONENT, "-property",
    "installationPath", "-utf8", "-nologo"]);
  const installation = stdout.trim().split(/\r?\n/)[0] ?? "";
  if (startError || installation === "")
    throw new BuildError("COMPILER_NOT_FOUND",
      `invalid system: expected a Visual Studio with clang-cl for building the addon, received none. ${INSTALL}`);

  const compiler = win32.join(installation, "VC", "Tools", "Llvm", "x64", "bin", "clang-cl.exe");
  const settings = win32.join(installation, "VC", "Auxiliary", "Build", "vcvars64.bat");
  const missing = [compiler, settings].find((path) => !existsSync(path));
  if (missing !== undefined)
    throw new BuildError("COMPILER_NOT_FOUND", `invalid Visual Studio: expected ${missing}, received none. ${INSTALL}`);
  // @env ComSpec builds: The shell of Windows that runs the toolchain's settings. Default: `cmd.exe`.
  const result = await run(env["ComSpec"] ?? "cmd.exe", ["/d", "/s", "/c", `""${settings}" >nul && set"`], { env,
    verbatim: true });
  if (result.status !== 0)
    throw new BuildError("COMPILER_NOT_FOUND", `${settings} failed:\n${result.output.trimEnd()}\n${INSTALL}`);
  return { env: parseSettings(result.stdout), compiler: compiler.replaceAll("\\", "/") };
}

/** Parses the output of `set`. */
export function parseSettings(text: string): NodeJS.ProcessEnv {
  return Object.fromEntries(text.split(/\r?\n/).flatMap((line) => {
    const equals = line.indexOf("=", 1);
    return equals < 0 ? [] : [[line.slice(0, equals), line.slice(equals + 1)]];
  }));
}

/** A path in CMake's spelling, in which a backslash begins an escape sequence. */
export function cmakePath(path: string, platform: NodeJS.Platform = process.platform): string {
  return platform === "win32" ? path.replaceAll("\\", "/") : path;
}
