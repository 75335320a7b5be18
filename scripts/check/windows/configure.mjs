// Configures the addon's build as on Windows, with this machine's clang as clang-cl.
import { chmod, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "../../support/errors.js";
import { lastLines, run } from "../../../lib/install/process.js";

/**
 * @typedef {object} Command one compilation of CMake's for clang-cl
 * @property {string} file
 * @property {string[]} words without the program
 */

// Debian's llvm-lib is too old for /def.
const LIBRARIAN = `#!/bin/sh
for word; do case $word in /def:*) def=\${word#/def:};; /out:*) out=\${word#/out:};; esac; done
exec llvm-dlltool -m i386:x86-64 -d "$def" -l "$out"
`;

/**
 * @param {string} root
 * @param {string} directory
 * @param {string} libtorch
 * @param {(line: string) => void} progress
 * @returns {Promise<Command[]>}
 * @throws {BuildError} CONFIGURE_FAILED, or OPTION_UNKNOWN if clang-cl does not accept an option
 */
export async function configureForWindows(root, directory, libtorch, progress) {
  progress("configuring for clang-cl");
  const tools = join(directory, "tools");
  await rm(directory, { recursive: true, force: true });
  await mkdir(tools, { recursive: true });
  const [clang, lib] = [join(tools, "clang-cl"), join(tools, "lib")];
  const where = await run("sh", ["-c", "command -v clang"]);
  await symlink(where.stdout.trim(), clang);
  await writeFile(lib, LIBRARIAN);
  await chmod(lib, 0o755);

  const modules = join(root, "node_modules");
  const settings = {
    CMAKE_SYSTEM_NAME: "Windows",
    CMAKE_SYSTEM_PROCESSOR: "AMD64",
    CMAKE_BUILD_TYPE: "Release",
    CMAKE_CXX_COMPILER: clang,
    CMAKE_CXX_COMPILER_TARGET: "x86_64-pc-windows-msvc",
    CMAKE_TRY_COMPILE_TARGET_TYPE: "STATIC_LIBRARY",
    // Named so that CMake does not search for them; none of them is run.
    CMAKE_AR: "llvm-lib",
    CMAKE_LINKER: "lld-link",
    CMAKE_MT: "llvm-mt",
    CMAKE_RC_COMPILER: "llvm-rc",
    REVIEWKD_LIBRARIAN: lib,
    REVIEWKD_LIBTORCH_DIR: libtorch,
    NODE_ADDON_API_DIR: join(modules, "node-addon-api"),
    NODE_API_HEADERS_DIR: join(modules, "node-api-headers/include"),
    CMAKE_JS_SRC: join(modules, "cmake-js/lib/cpp/win_delay_load_hook.cc"),
    CMAKE_JS_NODELIB_DEF: join(modules, "node-api-headers/def/node_api.def"),
  };
  const { status, output } = await run("cmake", ["-S", root, "-B", directory, "-G", "Ninja",
    ...Object.entries(settings).map(([name, value]) => `-D${name}=${value}`)]);
  if (status !== 0)
    throw new BuildError("CONFIGURE_FAILED",
      `CMake could not configure the addon for Windows:\n${lastLines(output, 40)}`);

  /** @type {{ file: string, command: string }[]} */
  const entries = JSON.parse(await readFile(join(directory, "compile_commands.json"), "utf8"));
  const commands = entries.map(({ file, command }) => ({ file, words: command.split(/\s+/).filter(Boolean).slice(1) }));
  await requireKnownOptions(clang, commands);
  return commands;
}

/**
 * @param {string} clang
 * @param {readonly Command[]} commands
 */
async function requireKnownOptions(clang, commands) {
  const seen = new Set();
  for (const { file, words } of commands) {
    // Output paths differ between files, and nothing is written here.
    const options = words.slice(0, words.indexOf("--")).filter((word) => !/^\/(?:Fo|Fd|Fp|Yu|Yc|FI)/.test(word));
    const key = options.join(" ");
    if (seen.has(key)) continue;
    seen.add(key);
    const { status, output } = await run(clang, [...options, "-Werror=unknown-argument",
      "-Werror=unused-command-line-argument", "-###", "--", file]);
    const complaint = output.split("\n").find((line) => /\b(?:error|warning):/.test(line));
    if (status !== 0 || complaint !== undefined)
      throw new BuildError("OPTION_UNKNOWN",
        `clang-cl does not accept every option for ${file}: ${complaint ?? lastLines(output, 3)}`);
  }
}
