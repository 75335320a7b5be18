// Checks of the code for macOS what can be checked on Linux:  node --import tsx scripts/check/macos.ts
//   1. CMake configures for macOS on Apple's processors, against the libtorch of the real wheel for it.
//   2. Every file of the addon compiles with macOS' headers, which Zig includes, and with OpenMP enabled as in the
//      build there.
//   3. All symbols that the objects require of libtorch and of OpenMP's runtime are in the wheel's libraries, and
//      all libraries that these load are packed.
// It cannot show whether Apple's clang agrees with Zig's, whether the result links and loads, or what it computes.
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { countFiles } from "./count-files.js";
import { configureFor } from "./configure.js";
import { ensureLibTorchOf } from "../../lib/install/fetch.js";
import { lastLines, run } from "../../lib/install/process.js";
import { linkedLibraries } from "../package/libraries.js";
import { expectNoArguments, progressOf } from "../support/command-line.js";
import { BuildError, runMain } from "../support/errors.js";
import { root } from "../support/files.js";
import { readCompilations, requireTools, runTool } from "../support/tools.js";

const TARGET = "aarch64-macos.14.0";
const LIBRARIES = ["libtorch_cpu.dylib", "libc10.dylib", "libomp.dylib"];
/** Symbols of libtorch and of OpenMP's runtime. Other undefined symbols are Node's, the system's or C++'s. */
const OF_LIBTORCH = /^_(?:_ZN?[A-Z]*[KVr]*(?:2at|3c10|5torch|6caffe2)|omp_|__kmpc_)/;
const TOOLS = { cmake: "cmake", ninja: "ninja-build", "llvm-nm": "llvm" };

await runMain(async () => {
  expectNoArguments("check:macos");
  const zig = await findZig();
  const directory = join(root, "build", "macos");
  const progress = progressOf("macos");

  const libtorch = await ensureLibTorchOf("darwin-arm64", { env: process.env, progress });
  const { libraries, elsewhere } = await linkedLibraries("darwin", join(libtorch, "lib"), LIBRARIES);
  if (elsewhere.length > 0)
    throw new BuildError("LIBRARY_NOT_FOUND", `cannot find ${elsewhere.join(", ")} in the wheel or in macOS.`);
  process.stdout.write(`packed with the addon: ${libraries.join(", ")} of the wheel\n`);
  progress("configuring");
  await configure(directory, libtorch, zig);
  progress("compiling");
  const objects = await compile(directory);
  const required = await requireSymbols(objects, libtorch);
  const files = await countFiles(await readCompilations(directory));
  process.stdout.write(
    `${files} files of the addon compile for macOS; all ${required.length} symbols that they require of libtorch and OpenMP are defined, including ${required.filter((name) => /omp_|kmpc/.test(name)).join(", ")}\n`,
  );
});

/** The command that starts Zig. */
async function findZig(): Promise<string[]> {
  await requireTools(TOOLS);
  for (const words of [["zig"], ["python3", "-m", "ziglang"]]) {
    const [program = "", ...rest] = words;
    const { status, startError } = await run(program, [...rest, "version"]);
    if (!startError && status === 0) return words;
  }
  throw new BuildError("TOOL_MISSING", "missing tool: Zig. Run `pip install ziglang`, or put zig on PATH.");
}

async function configure(directory: string, libtorch: string, zig: readonly string[]): Promise<void> {
  const tools = join(directory, "tools");
  await rm(directory, { recursive: true, force: true });
  await mkdir(tools, { recursive: true });
  for (const [name, words] of Object.entries({ "c++": `c++ -target ${TARGET}`, ar: "ar", ranlib: "ranlib",
    install_name_tool: "objcopy" })) {
    await writeFile(join(tools, name), `#!/bin/sh\nexec ${zig.join(" ")} ${words} "$@"\n`);
    await chmod(join(tools, name), 0o755);
  }
  await configureFor("macOS", directory, {
    CMAKE_SYSTEM_NAME: "Darwin",
    CMAKE_SYSTEM_PROCESSOR: "arm64",
    CMAKE_CXX_COMPILER: join(tools, "c++"),
    CMAKE_AR: join(tools, "ar"),
    CMAKE_RANLIB: join(tools, "ranlib"),
    CMAKE_INSTALL_NAME_TOOL: join(tools, "install_name_tool"),
    CMAKE_CXX_FLAGS: "-Werror -Wno-unknown-warning-option",
    REVIEWKD_LIBTORCH_DIR: libtorch,
  });
}

/** Compiles without linking: Zig's linker cannot create bundles. @returns the objects of the addon. */
async function compile(directory: string): Promise<string[]> {
  const { stdout } = await run("ninja", ["-C", directory, "-t", "targets", "all"]);
  const objects = [...stdout.matchAll(/^(\S+\.o): /gm)].map(([, path]) => path ?? "");
  if (objects.length === 0)
    throw new BuildError("COMPILE_FAILED", `no objects among Ninja's targets:\n${lastLines(stdout)}`);
  await runTool("ninja", ["-C", directory, "-j", String(availableParallelism()), ...objects], { code: "COMPILE_FAILED",
    failure: "the addon does not compile for macOS", lines: 40, onLine: (line) => process.stderr.write(`${line}\n`) });
  return objects.filter((path) => /reviewkd(?:_binding|_core|_testing)?\.dir/.test(path)).map((path) =>
    join(directory, path)
  );
}

/** Returns the symbols that are required of libtorch and of OpenMP's runtime. */
async function requireSymbols(objects: readonly string[], libtorch: string): Promise<string[]> {
  const defined = new Set([...await namesOf(["--defined-only", ...objects]),
    ...await namesOf(["--defined-only", "--extern-only", ...LIBRARIES.map((name) => join(libtorch, "lib", name))])]);
  const required = [...new Set(await namesOf(["--undefined-only", ...objects]))].filter((name) =>
    OF_LIBTORCH.test(name)
  );
  const missing = required.filter((name) => !defined.has(name));
  if (required.length === 0 || missing.length > 0)
    throw new BuildError("SYMBOL_MISSING",
      `missing in the wheel: ${missing.join(", ") || "all symbols"}. Use symbols that libtorch for macOS defines.`);
  return required;
}

async function namesOf(words: readonly string[]): Promise<string[]> {
  const { stdout } = await runTool("llvm-nm", ["--just-symbol-name", ...words], {
    failure: "llvm-nm could not read symbols",
  });
  return stdout.split("\n").map((line) => line.trim()).filter(Boolean);
}
