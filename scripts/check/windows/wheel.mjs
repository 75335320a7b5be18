// Holds the libraries of the wheel for Windows against what packing and linking take for granted of them.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { comesWithSystem } from "../../package/libraries.mjs";
import { readPe } from "../../package/pe.mjs";
import { BuildError } from "../../support/errors.js";

/** What Visual Studio has for passing on. */
const RUNTIME = /^(?:msvcp140|vcruntime140)\w*\.dll$/i;

/**
 * @param {string} root
 * @param {string} libtorch
 * @returns {Promise<{ libraries: string[], runtime: string[] }>} what goes with the addon: of the wheel, and of Microsoft's C++ runtime
 * @throws {BuildError} LIBRARY_NOT_FOUND, SYMBOL_MISSING
 */
export async function checkWheel(root, libtorch) {
  const lib = join(libtorch, "lib");
  // As the addon's link command has them.
  const waiting = ["torch_cpu.dll", "c10.dll", "libiomp5md.dll"];
  /** @type {Set<string>} */
  const libraries = new Set();
  /** @type {Set<string>} */
  const runtime = new Set();
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (libraries.has(name)) continue;
    libraries.add(name);
    const { needed, delayed } = await readPe(join(lib, name));
    for (const other of [...needed, ...delayed]) {
      if (comesWithSystem("win32", other)) continue;
      if (RUNTIME.test(other)) runtime.add(other);
      else if (existsSync(join(lib, other))) waiting.push(other);
      else throw new BuildError("LIBRARY_NOT_FOUND", `expected ${other} for ${name} in the wheel or in Windows, got none`);
    }
  }
  const wanted = (await readFile(join(root, "cmake/libiomp5md.def"), "utf8")).split(/\r?\n/).filter((line) => line.startsWith("  ")).map((line) => line.trim());
  const { exports } = await readPe(join(lib, "libiomp5md.dll"));
  const missing = wanted.filter((name) => !exports.includes(name));
  if (wanted.length === 0 || missing.length > 0) throw new BuildError("SYMBOL_MISSING", `expected libiomp5md.dll to give what cmake/libiomp5md.def lists, got none of ${missing.join(", ") || "any name"}`);
  return { libraries: [...libraries].sort(), runtime: [...runtime].sort() };
}
