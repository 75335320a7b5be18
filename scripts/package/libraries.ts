// Copies the libraries that a package's modules load, directly or indirectly, next to them, according to their own
// tables.
import { existsSync } from "node:fs";
import { copyFile, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { BuildError } from "../support/errors.js";
import { stripBinary } from "../support/tools.js";
import { readLibrary } from "./elf.js";
import { readMachO } from "./mach-o.js";
import { readPe } from "./pe.js";

interface System {
  /** The libraries of every system of this kind. */
  own: RegExp;
  /** The names, without directories, and whether the system searches for them next to the library that loads them. */
  needsOf: (path: string) => Promise<{ names: string[]; besides: boolean }>;
  copy: (source: string, target: string) => Promise<void>;
}

const SYSTEMS: Record<string, System> = {
  linux: {
    // zlib, which Fortran's runtime requires, is among the libraries of the manylinux policy.
    own: /^(?:ld-linux.*|lib(?:c|m|dl|rt|pthread|util|gcc_s|stdc\+\+|z))\.so/,
    async needsOf(path) {
      const { needed, runPath } = await readLibrary(path);
      return { names: needed, besides: runPath.includes("$ORIGIN") };
    },
    copy: copyStripped,
  },
  darwin: {
    own: /^\/(?:usr\/lib|System\/Library)\//,
    async needsOf(path) {
      const { needed, runPath } = await readMachO(path);
      const names = needed.map((name) => name.replace(/^@(?:rpath|loader_path)\//, ""));
      const besides = needed.every((name) => !name.startsWith("@rpath/")) ||
        runPath.some((place) => /^@loader_path\/?$/.test(place));
      return { names, besides };
    },
    // Stripping would break the signature, without which macOS loads no library.
    copy: copyFile,
  },
  win32: {
    // `node.exe` is a placeholder for the program that loads the addon.
    own:
      /^(?:api-ms-win-.*|ext-ms-win-.*|node\.exe|(?:kernel32|user32|advapi32|ws2_32|psapi|iphlpapi|userenv|dbghelp|imagehlp|wintrust|shell32|ole32|bcrypt|ucrtbase|ntdll)\.dll)$/i,
    async needsOf(path) {
      const { needed, delayed } = await readPe(path);
      return { names: [...needed, ...delayed], besides: true };
    },
    copy: copyFile,
  },
};

/** The system that Node calls by this name. @throws BuildError LIBRARY_NOT_FOUND. */
function systemOf(platform: string): System {
  const system = SYSTEMS[platform];
  if (system !== undefined) return system;
  throw new BuildError("LIBRARY_NOT_FOUND",
    `invalid platform: expected one of ${Object.keys(SYSTEMS).join(", ")}, received ${platform}. Pack on a supported platform.`);
}

/**
 * All libraries of a folder that some of them load, directly or indirectly, and those that are neither in it nor part
 * of the system.
 */
export async function linkedLibraries(platform: string, folder: string,
  roots: readonly string[]): Promise<{ libraries: string[]; elsewhere: string[] }> {
  const { own, needsOf } = systemOf(platform);
  const found = new Set(roots);
  for (const name of found) {
    if (!existsSync(join(folder, name))) continue;
    for (const other of (await needsOf(join(folder, name))).names) if (!own.test(other)) found.add(other);
  }
  const isHere = (name: string): boolean => existsSync(join(folder, name));
  const libraries = [...found].sort();
  return { libraries: libraries.filter(isHere), elsewhere: libraries.filter((name) => !isHere(name)) };
}

/**
 * Copies what modules in `directory` load, from the places where libraries are searched for; returns the sorted names.
 *
 * @throws BuildError LIBRARY_NOT_FOUND, LIBRARY_DAMAGED, TOOL_FAILED.
 */
export async function copyLibraries(platform: string, modules: readonly string[], places: readonly string[],
  directory: string, progress: (line: string) => void): Promise<string[]> {
  const system = systemOf(platform);
  const copied: string[] = [];
  const waiting = [...modules];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const { names, besides } = await system.needsOf(path);
    const own = names.filter((name) => !system.own.test(name));
    if (own.length > 0 && !besides)
      throw new BuildError("LIBRARY_NOT_FOUND",
        `invalid run path: expected ${basename(path)} to search its own directory for ${own.join(", ")}, received another path. Rebuild it with the project's CMake build.`);
    for (const name of own) {
      // Windows ignores case.
      if (copied.some((other) =>
        other === name || (platform === "win32" && other.toLowerCase() === name.toLowerCase())
      )) continue;
      const source = await find(name, places, platform);
      if (source === undefined)
        throw new BuildError("LIBRARY_NOT_FOUND",
          `cannot find ${name} for ${basename(path)} in ${places.join(", ")}. ${remedyFor(name)}`);
      progress(`adding ${name}`);
      await system.copy(source, join(directory, name));
      copied.push(name);
      waiting.push(join(directory, name));
    }
  }
  return copied.sort();
}

async function find(name: string, places: readonly string[], platform: string): Promise<string | undefined> {
  for (const place of places) {
    if (!existsSync(place)) continue;
    const entryName = platform === "win32" ? (await readdir(place)).find((entry) =>
      entry.toLowerCase() === name.toLowerCase()
    ) : name;
    if (entryName !== undefined && existsSync(join(place, entryName))) return join(place, entryName);
  }
  return undefined;
}

function remedyFor(name: string): string {
  return /^(?:msvcp|vcruntime)\d+/i.test(name)
    ? "Install Visual Studio's C++ build tools, whose runtime (VCToolsRedistDir) may be redistributed."
    : "Build against a complete libtorch.";
}

/** Copies a library without its debug symbols. */
async function copyStripped(source: string, target: string): Promise<void> {
  await stripBinary(source, target);
  // Some are already stripped, and grow when their section table is rewritten.
  if ((await stat(target)).size >= (await stat(source)).size) await copyFile(source, target);
}
