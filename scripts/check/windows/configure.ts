// Configures the addon's build as on Windows, with this machine's clang as clang-cl.
import { chmod, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { lastLines, run } from "../../../lib/install/process.js";
import { BuildError } from "../../support/errors.js";
import { root } from "../../support/files.js";
import { readCompilations } from "../../support/tools.js";
import { configureFor } from "../configure.js";

/** One compilation of CMake's for clang-cl. */
export interface Command {
  file: string;
  /** Without the program. */
  words: string[];
}

// Debian's llvm-lib is too old for /def.
const LIBRARIAN = `#!/bin/sh
for word; do case $word in /def:*) def=\${word#/def:};; /out:*) out=\${word#/out:};; esac; done
exec llvm-dlltool -m i386:x86-64 -d "$def" -l "$out"
`;

/** @throws BuildError CONFIGURE_FAILED, or OPTION_UNKNOWN if clang-cl does not accept an option. */
export async function configureForWindows(directory: string, libtorch: string,
  progress: (line: string) => void): Promise<Command[]> {
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
  await configureFor("Windows", directory, {
    CMAKE_SYSTEM_NAME: "Windows",
    CMAKE_SYSTEM_PROCESSOR: "AMD64",
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
    CMAKE_JS_SRC: join(modules, "cmake-js/lib/cpp/win_delay_load_hook.cc"),
    CMAKE_JS_NODELIB_DEF: join(modules, "node-api-headers/def/node_api.def"),
  });

  const entries = await readCompilations(directory);
  const commands = entries.map(({ file, command }) => ({ file, words: command.split(/\s+/).filter(Boolean).slice(1) }));
  await requireKnownOptions(clang, commands);
  return commands;
}

async function requireKnownOptions(clang: string, commands: readonly Command[]): Promise<void> {
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
