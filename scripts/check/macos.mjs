// Checks of the code for macOS what can be checked on Linux:  node --import tsx scripts/check/macos.mjs
//   1. CMake configures for macOS on Apple's processors, against the libtorch of the real wheel for it.
//   2. Every file of the addon compiles with macOS' headers, which Zig includes, and with OpenMP enabled as in the
//      build there.
//   3. All symbols that the objects require of libtorch and of OpenMP's runtime are in the wheel's libraries, and
//      all libraries that these load are packed.
// It cannot show whether Apple's clang agrees with Zig's, whether the result links and loads, or what it computes.
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { countFiles } from "./count-files.js";
import { ensureLibTorchOf } from "../../lib/install/fetch.js";
import { comesWithSystem } from "../package/libraries.mjs";
import { readMachO } from "../package/mach-o.mjs";
import { BuildError, runMain } from "../support/errors.js";
import { lastLines, run } from "../../lib/install/process.js";

const TARGET = "aarch64-macos.14.0";
const LIBRARIES = ["libtorch_cpu.dylib", "libc10.dylib", "libomp.dylib"];
/** Symbols of libtorch and of OpenMP's runtime. Other undefined symbols are Node's, the system's or C++'s. */
const OF_LIBTORCH = /^_(?:_ZN?[A-Z]*[KVr]*(?:2at|3c10|5torch|6caffe2)|omp_|__kmpc_)/;
const TOOLS = { cmake: "cmake", ninja: "ninja-build", "llvm-nm": "llvm" };

await runMain(async () => {
  if (process.argv.length > 2)
    throw new BuildError("USAGE",
      `invalid arguments: expected none, received ${process.argv.slice(2).join(" ")}. Run \`npm run check:macos\` without them.`);
  const zig = await findZig();
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const directory = join(root, "build", "macos");
  const progress = (/** @type {string} */ line) => process.stderr.write(`macos: ${line}\n`);
  const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

  const libtorch = await ensureLibTorchOf("darwin-arm64", { env: process.env, progress });
  say(`packed with the addon: ${(await loadedLibraries(libtorch)).join(", ")} of the wheel`);
  progress("configuring");
  await configure(root, directory, libtorch, zig);
  progress("compiling");
  const objects = await compile(directory);
  const required = await requireSymbols(objects, libtorch);
  /** @type {{ file: string }[]} */
  const commands = JSON.parse(await readFile(join(directory, "compile_commands.json"), "utf8"));
  say(
    `${await countFiles(
      commands.map(({ file }) => file),
    )} files of the addon compile for macOS; all ${required.length} symbols that they require of libtorch and OpenMP are defined, including ${required.filter((name) => /omp_|kmpc/.test(name)).join(", ")}`,
  );
});

/** @returns {Promise<string[]>} the command that starts Zig */
async function findZig() {
  const missing = [];
  for (const [tool, package_] of Object.entries(TOOLS)) {
    const { startError } = await run(tool, ["--version"]);
    if (startError) missing.push(package_);
  }
  for (const words of [["zig"], ["python3", "-m", "ziglang"]]) {
    const [program = "", ...rest] = words;
    const { status, startError } = await run(program, [...rest, "version"]);
    if (!startError && status === 0 && missing.length === 0) return words;
  }
  throw new BuildError("TOOL_MISSING",
    missing.length > 0 ? `missing tools: ${missing.join(", ")}. Run apt-get install ${missing.join(" ")} on Debian.`
      : "missing tool: Zig. Run `pip install ziglang`, or put zig on PATH.");
}

/** @param {string} libtorch */
async function loadedLibraries(libtorch) {
  const waiting = [...LIBRARIES];
  /** @type {Set<string>} */
  const loaded = new Set();
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (loaded.has(name)) continue;
    loaded.add(name);
    for (const other of (await readMachO(join(libtorch, "lib", name))).needed) {
      if (!comesWithSystem("darwin", other)) waiting.push(other.replace(/^@(?:rpath|loader_path)\//, ""));
    }
  }
  return [...loaded].sort();
}

/**
 * @param {string} root
 * @param {string} directory
 * @param {string} libtorch
 * @param {readonly string[]} zig
 */
async function configure(root, directory, libtorch, zig) {
  const tools = join(directory, "tools");
  await rm(directory, { recursive: true, force: true });
  await mkdir(tools, { recursive: true });
  for (const [name, words] of Object.entries({ "c++": `c++ -target ${TARGET}`, ar: "ar", ranlib: "ranlib",
    install_name_tool: "objcopy" })) {
    await writeFile(join(tools, name), `#!/bin/sh\nexec ${zig.join(" ")} ${words} "$@"\n`);
    await chmod(join(tools, name), 0o755);
  }
  const modules = join(root, "node_modules");
  const settings = {
    CMAKE_SYSTEM_NAME: "Darwin",
    CMAKE_SYSTEM_PROCESSOR: "arm64",
    CMAKE_BUILD_TYPE: "Release",
    CMAKE_CXX_COMPILER: join(tools, "c++"),
    CMAKE_AR: join(tools, "ar"),
    CMAKE_RANLIB: join(tools, "ranlib"),
    CMAKE_INSTALL_NAME_TOOL: join(tools, "install_name_tool"),
    CMAKE_CXX_FLAGS: "-Werror -Wno-unknown-warning-option",
    REVIEWKD_LIBTORCH_DIR: libtorch,
    NODE_ADDON_API_DIR: join(modules, "node-addon-api"),
    NODE_API_HEADERS_DIR: join(modules, "node-api-headers/include"),
  };
  const { status, output } = await run("cmake", ["-S", root, "-B", directory, "-G", "Ninja",
    ...Object.entries(settings).map(([name, value]) => `-D${name}=${value}`)]);
  if (status !== 0)
    throw new BuildError("CONFIGURE_FAILED",
      `CMake could not configure the addon for macOS:\n${lastLines(output, 40)}`);
}

/**
 * Compiles without linking: Zig's linker cannot create bundles.
 *
 * @param {string} directory
 * @returns {Promise<string[]>} the objects of the addon
 */
async function compile(directory) {
  const { stdout } = await run("ninja", ["-C", directory, "-t", "targets", "all"]);
  const objects = [...stdout.matchAll(/^(\S+\.o): /gm)].map(([, path]) => path ?? "");
  if (objects.length === 0)
    throw new BuildError("COMPILE_FAILED", `no objects among Ninja's targets:\n${lastLines(stdout)}`);
  const { status, output } = await run("ninja", ["-C", directory, "-j", String(availableParallelism()), ...objects], {
    onLine: (line) => process.stderr.write(`${line}\n`),
  });
  if (status !== 0)
    throw new BuildError("COMPILE_FAILED", `the addon does not compile for macOS:\n${lastLines(output, 40)}`);
  return objects.filter((path) => /reviewkd(?:_binding|_core|_testing)?\.dir/.test(path)).map((path) =>
    join(directory, path)
  );
}

/**
 * @param {readonly string[]} objects
 * @param {string} libtorch
 * @returns {Promise<string[]>} the symbols required of libtorch and of OpenMP's runtime
 */
async function requireSymbols(objects, libtorch) {
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

/** @param {readonly string[]} words */
async function namesOf(words) {
  const { status, stdout, output } = await run("llvm-nm", ["--just-symbol-name", ...words]);
  if (status !== 0) throw new BuildError("TOOL_FAILED", `llvm-nm could not read symbols:\n${lastLines(output)}`);
  return stdout.split("\n").map((line) => line.trim()).filter(Boolean);
}
