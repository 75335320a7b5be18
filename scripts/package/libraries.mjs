// Copies the libraries that a package's modules load, directly or indirectly, next to them, according to their own
// tables.
import { existsSync } from "node:fs";
import { copyFile, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { BuildError } from "../support/errors.js";
import { lastLines, run } from "../../lib/install/process.js";
import { readLibrary } from "./elf.mjs";
import { readMachO } from "./mach-o.mjs";
import { readPe } from "./pe.mjs";

/**
 * @typedef {object} Needs
 * @property {string[]} names of libraries, without their directories
 * @property {boolean} besides whether the system searches for them next to the library that loads them
 *
 * @typedef {object} System
 * @property {RegExp} own the libraries of every system of this kind
 * @property {(path: string) => Promise<Needs>} needsOf
 * @property {(source: string, target: string) => Promise<void>} copy
 */

/** @type {Record<string, System>} */
const SYSTEMS = {
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

/**
 * Whether a library is part of the system.
 *
 * @param {string} platform as Node calls it
 * @param {string} name
 */
export function comesWithSystem(platform, name) {
  return SYSTEMS[platform]?.own.test(name) ?? false;
}

/**
 * @param {string} platform as Node calls it
 * @param {readonly string[]} modules in `directory`
 * @param {readonly string[]} places where libraries are searched for
 * @param {string} directory
 * @param {(line: string) => void} progress
 * @returns {Promise<string[]>} the names of the copied libraries, sorted
 * @throws {BuildError} LIBRARY_NOT_FOUND, LIBRARY_DAMAGED, TOOL_FAILED
 */
export async function copyLibraries(platform, modules, places, directory, progress) {
  const system = SYSTEMS[platform];
  if (system === undefined)
    throw new BuildError("LIBRARY_NOT_FOUND",
      `invalid platform: expected one of ${Object.keys(SYSTEMS).join(", ")}, received ${platform}. Pack on a supported platform.`);
  /** @type {string[]} */
  const copied = [];
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

/**
 * @param {string} name
 * @param {readonly string[]} places
 * @param {string} platform
 */
async function find(name, places, platform) {
  for (const place of places) {
    if (!existsSync(place)) continue;
    const entryName = platform === "win32" ? (await readdir(place)).find((entry) =>
      entry.toLowerCase() === name.toLowerCase()
    ) : name;
    if (entryName !== undefined && existsSync(join(place, entryName))) return join(place, entryName);
  }
  return undefined;
}

/** @param {string} name */
function remedyFor(name) {
  return /^(?:msvcp|vcruntime)\d+/i.test(name)
    ? "Install Visual Studio's C++ build tools, whose runtime (VCToolsRedistDir) may be redistributed."
    : "Build against a complete libtorch.";
}

/**
 * Copies a library without its debug symbols.
 *
 * @param {string} source
 * @param {string} target
 */
async function copyStripped(source, target) {
  const { status, output, startError } = await run("strip", ["--strip-unneeded", "-o", target, source]);
  if (status !== 0)
    throw new BuildError("TOOL_FAILED",
      `strip failed: ${startError ? "no such program. " : `\n${lastLines(output)}\n`}Install binutils.`);
  // Some are already stripped, and grow when their section table is rewritten.
  if ((await stat(target)).size >= (await stat(source)).size) await copyFile(source, target);
}
