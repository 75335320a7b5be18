// Checks the assumptions of packing and linking about the libraries of the wheel for Windows.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { comesWithSystem } from "../../package/libraries.mjs";
import { readPe } from "../../package/pe.mjs";
import { BuildError } from "../../support/errors.js";

/** The redistributable libraries of Visual Studio. */
const RUNTIME = /^(?:msvcp140|vcruntime140)\w*\.dll$/i;

/**
 * @param {string} root
 * @param {string} libtorch
 * @returns {Promise<{ libraries: string[], runtime: string[] }>} the libraries to pack with the addon: of the wheel,
 * and of Microsoft's C++ runtime
 * @throws {BuildError} LIBRARY_NOT_FOUND, SYMBOL_MISSING
 */
export async function checkWheel(root, libtorch) {
  const lib = join(libtorch, "lib");
  // The libraries of the addon's link command.
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
      else throw new BuildError("LIBRARY_NOT_FOUND",
          `cannot find ${other} for ${name} in the wheel or in Windows. Add its source to scripts/windows/wheel.mjs.`);
    }
  }
  const listed = (await readFile(join(root, "cmake/libiomp5md.def"), "utf8")).split(/\r?\n/).filter((line) =>
    line.startsWith("  ")
  ).map((line) => line.trim());
  const { exports } = await readPe(join(lib, "libiomp5md.dll"));
  const missing = listed.filter((name) => !exports.includes(name));
  if (listed.length === 0 || missing.length > 0)
    throw new BuildError("SYMBOL_MISSING",
      `libiomp5md.dll does not export ${missing.join(", ") || "any listed name"}. Fix cmake/libiomp5md.def.`);
  return { libraries: [...libraries].sort(), runtime: [...runtime].sort() };
}
