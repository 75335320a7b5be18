// Checks the assumptions of packing and linking about the libraries of the wheel for Windows.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { linkedLibraries } from "../../package/libraries.js";
import { readPe } from "../../package/pe.js";
import { BuildError } from "../../support/errors.js";
import { root } from "../../support/files.js";

/** The redistributable libraries of Visual Studio. */
const RUNTIME = /^(?:msvcp140|vcruntime140)\w*\.dll$/i;

/**
 * The libraries to pack with the addon, of the wheel and of Microsoft's C++ runtime.
 *
 * @throws BuildError LIBRARY_NOT_FOUND, SYMBOL_MISSING.
 */
export async function checkWheel(libtorch: string): Promise<{ libraries: string[]; runtime: string[] }> {
  const lib = join(libtorch, "lib");
  // The libraries of the addon's link command.
  const { libraries, elsewhere } = await linkedLibraries("win32", lib, ["torch_cpu.dll", "c10.dll", "libiomp5md.dll"]);
  const unknown = elsewhere.find((name) => !RUNTIME.test(name));
  if (unknown !== undefined)
    throw new BuildError("LIBRARY_NOT_FOUND",
      `cannot find ${unknown} in the wheel or in Windows. Add its source to scripts/check/windows/wheel.ts.`);
  const lines = (await readFile(join(root, "cmake/libiomp5md.def"), "utf8")).split(/\r?\n/);
  const listed = lines.filter((line) => line.startsWith("  ")).map((line) => line.trim());
  const { exports } = await readPe(join(lib, "libiomp5md.dll"));
  const missing = listed.filter((name) => !exports.includes(name));
  if (listed.length === 0 || missing.length > 0)
    throw new BuildError("SYMBOL_MISSING",
      `libiomp5md.dll does not export ${missing.join(", ") || "any listed name"}. Fix cmake/libiomp5md.def.`);
  return { libraries, runtime: elsewhere };
}
