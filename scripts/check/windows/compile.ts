// Compiles the files that clang-cl would compile, for mingw-w64, whose Windows headers are available on Linux.
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { run } from "../../../lib/install/process.js";
import { BuildError } from "../../support/errors.js";
import { root } from "../../support/files.js";
import { forEachInParallel, runTool } from "../../support/tools.js";
import { countFiles } from "../count-files.js";
import type { Command } from "./configure.js";

const TARGET = "x86_64-w64-mingw32";
// libtorch's headers test for Microsoft's compiler where it matters that Windows cannot import thread-local variables,
// and assume glibc's assert for every other compiler.
const PREFACE = `#pragma once
#include <cassert>
extern "C" [[noreturn]] void __assert_fail(const char*, const char*, unsigned, const char*) noexcept;
#include <c10/core/DispatchKeySet.h>
#include <c10/macros/Export.h>
#define C10_ANDROID
#include <c10/core/impl/LocalDispatchKeySet.h>
#undef C10_ANDROID
`;
// GCC's header does not work with clang. These are the functions that libtorch's headers call.
const OPEN_MP_HEADER = `#pragma once
extern "C" int omp_get_num_threads(void);
extern "C" int omp_get_thread_num(void);
`;
/**
 * Functions of a compiler's run-time library, which clang-cl does not link: overflow and division in 128 bits,
 * processor detection.
 */
const OF_THE_RUNTIME =
  /^__(?:mulo|mul|u?div|u?mod|ash|lsh|fix|float|add|sub|neg|ffs|popcount|c[lt]z|parity|cmp|ucmp|bswap)\w*[sdt][if]\d?$|^__cpu_/;
const OPEN_MP = /^(?:__imp_)?(__kmpc_\w+|omp_\w+)$/;

/**
 * Returns the number of files, those of unity files included, and the functions of OpenMP's runtime that they require.
 *
 * @throws BuildError COMPILE_FAILED, or SYMBOL_MISSING if a required function is not linked.
 */
export async function compileForWindows(directory: string, commands: readonly Command[],
  progress: (line: string) => void): Promise<{ files: number; openMp: string[] }> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const preface = join(directory, "preface.h");
  await writeFile(preface, PREFACE);
  await mkdir(join(directory, "include"));
  await writeFile(join(directory, "include", "omp.h"), OPEN_MP_HEADER);
  const base = [`--target=${TARGET}`, "-std=c++20", ...await standardHeaders(), "-isystem", join(directory, "include"),
    "-D_WIN32_WINNT=0x0A00000B", "-Wall", "-Wextra", "-Werror"];

  const header = commands.find(({ file }) => file.endsWith("cmake_pch.cxx"));
  if (header === undefined)
    throw new BuildError("COMPILE_FAILED",
      "no precompiled header among the compilations. Check CMake's compile_commands.json.");
  const precompiled = join(directory, "pch.pch");
  progress("precompiling libtorch's headers");
  await clang([...base, ...portable(header), "-Wno-pragma-once-outside-header",
    "-Wno-pragma-system-header-outside-header", "-include", preface, "-x", "c++-header",
    header.file.replace(/\.cxx$/, ".hxx"), "-o", precompiled], header.file);

  const others = commands.filter((command) => command !== header);
  const objects = others.map(({ file }, index) => join(directory, `${index}-${basename(file)}.o`));
  await forEachInParallel(others, async (command, index) => {
    progress(`${index + 1} of ${others.length}: ${basename(command.file)}`);
    const usesHeader = command.words.some((word) => word.startsWith("/Yu"));
    await clang([...base, ...portable(command), ...(usesHeader ? ["-include-pch", precompiled] : []), "-c",
      command.file, "-o", objects[index] ?? ""], command.file);
  });
  const openMp = await requireLinkable(objects);
  return { files: await countFiles(commands), openMp };
}

/** Translates options of clang-cl into those of clang++. */
function portable({ words }: Command): string[] {
  const options = words.slice(0, words.indexOf("--")).flatMap((word) => {
    if (/^-[DI]/.test(word)) return [word];
    if (word.startsWith("-imsvc")) return ["-isystem", word.slice("-imsvc".length)];
    if (/^-m(?!svc)/.test(word) || word.startsWith("-W")) return [word];
    if (word.startsWith("/clang:") && !word.includes("prefix-map")) return [word.slice("/clang:".length)];
    return word === "/openmp" ? ["-fopenmp"] : [];
  });
  // One of the named warnings is GCC's.
  return [...options, "-Wno-unknown-warning-option"];
}

/** The C++ and C headers of this target: clang does not find Debian's headers for POSIX threads. */
async function standardHeaders(): Promise<string[]> {
  const { stdout } = await run(`${TARGET}-g++-posix`, ["-print-file-name=include"]);
  const gcc = stdout.trim();
  const system = ["/usr/share/mingw-w64/include", `/usr/${TARGET}/include`].filter((path) => existsSync(path));
  if (!existsSync(join(gcc, "c++")) || system.length === 0) {
    throw new BuildError("TOOL_MISSING",
      `missing headers of mingw-w64 in ${gcc}. Run apt-get install g++-mingw-w64-x86-64.`);
  }
  return [join(gcc, "c++"), join(gcc, "c++", TARGET), ...system].flatMap((path) => ["-isystem", path]);
}

async function clang(words: readonly string[], file: string): Promise<void> {
  await runTool("clang++", words, { code: "COMPILE_FAILED", failure: `${file} does not compile for Windows`,
    lines: 40 });
}

async function requireLinkable(objects: readonly string[]): Promise<string[]> {
  const { stdout } = await runTool("llvm-nm", ["--undefined-only", "--just-symbol-name", ...objects], {
    failure: "llvm-nm could not read the objects",
  });
  const required = [...new Set(stdout.split("\n").map((line) => line.trim()))];
  const listed = (await readFile(join(root, "cmake/libiomp5md.def"), "utf8")).split("\n").map((line) => line.trim());
  const openMp = [...new Set(required.flatMap((name) => OPEN_MP.exec(name)?.[1] ?? []))].sort();
  const missing = [...required.filter((name) => OF_THE_RUNTIME.test(name)),
    ...openMp.filter((name) => !listed.includes(name))];
  if (missing.length > 0) {
    throw new BuildError("SYMBOL_MISSING",
      `functions that are not linked on Windows: ${missing.join(", ")}. Avoid those of the compiler's runtime, and list OpenMP's in cmake/libiomp5md.def.`);
  }
  return openMp;
}
