// Copies the libraries that a package's modules load, and what these load, beside them: as their own tables tell.
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
 * @property {boolean} besides whether the system will look for them beside the one that asks
 *
 * @typedef {object} System
 * @property {RegExp} own what every system of this kind brings
 * @property {(path: string) => Promise<Needs>} needsOf
 * @property {(source: string, target: string) => Promise<void>} copy
 */

/** @type {Record<string, System>} */
const SYSTEMS = {
  linux: {
    // zlib, which Fortran's runtime asks for, is among what the manylinux policy counts on.
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
      const besides = needed.every((name) => !name.startsWith("@rpath/")) || runPath.some((place) => /^@loader_path\/?$/.test(place));
      return { names, besides };
    },
    // Stripping would break the signature without which no library is loaded there.
    copy: copyFile,
  },
  win32: {
    // `node.exe` stands for whichever program loads the addon.
    own: /^(?:api-ms-win-.*|ext-ms-win-.*|node\.exe|(?:kernel32|user32|advapi32|ws2_32|psapi|iphlpapi|userenv|dbghelp|imagehlp|wintrust|shell32|ole32|bcrypt|ucrtbase|ntdll)\.dll)$/i,
    async needsOf(path) {
      const { needed, delayed } = await readPe(path);
      return { names: [...needed, ...delayed], besides: true };
    },
    copy: copyFile,
  },
};

/**
 * Whether a library is there wherever the system is.
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
 * @param {readonly string[]} places where libraries are looked for
 * @param {string} directory
 * @param {(line: string) => void} progress
 * @returns {Promise<string[]>} the names of what was copied, sorted
 * @throws {BuildError} LIBRARY_NOT_FOUND, LIBRARY_DAMAGED, TOOL_FAILED
 */
export async function copyLibraries(platform, modules, places, directory, progress) {
  const system = SYSTEMS[platform];
  if (system === undefined) throw new BuildError("LIBRARY_NOT_FOUND", `expected one of ${Object.keys(SYSTEMS).join(", ")} for packing libraries, got ${platform}`);
  /** @type {string[]} */
  const copied = [];
  const waiting = [...modules];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const { names, besides } = await system.needsOf(path);
    const own = names.filter((name) => !system.own.test(name));
    if (own.length > 0 && !besides) throw new BuildError("LIBRARY_NOT_FOUND", `expected ${basename(path)} to look beside itself for ${own.join(", ")}, got another run path`);
    for (const name of own) {
      // Windows does not tell capital letters from small ones.
      if (copied.some((other) => other === name || (platform === "win32" && other.toLowerCase() === name.toLowerCase()))) continue;
      const source = await find(name, places, platform);
      if (source === undefined) throw new BuildError("LIBRARY_NOT_FOUND", `expected ${name} for ${basename(path)}, got none in ${places.join(", ")}${remedyFor(name)}`);
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
    const found = platform === "win32" ? (await readdir(place)).find((entry) => entry.toLowerCase() === name.toLowerCase()) : name;
    if (found !== undefined && existsSync(join(place, found))) return join(place, found);
  }
  return undefined;
}

/** @param {string} name */
function remedyFor(name) {
  return /^(?:msvcp|vcruntime)\d+/i.test(name) ? "; install Visual Studio's C++ build tools, whose runtime (VCToolsRedistDir) may be passed on" : "";
}

/**
 * Leaves out what only debuggers read.
 *
 * @param {string} source
 * @param {string} target
 */
async function copyStripped(source, target) {
  const { status, output, startError } = await run("strip", ["--strip-unneeded", "-o", target, source]);
  if (status !== 0) throw new BuildError("TOOL_FAILED", `expected strip to succeed, got ${startError ? "no such program" : `\n${lastLines(output)}\n`}; install binutils`);
  // Some are stripped already, and grow when their table of contents is written anew.
  if ((await stat(target)).size >= (await stat(source)).size) await copyFile(source, target);
}
