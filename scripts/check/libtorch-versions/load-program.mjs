// Loads the given native modules and prints what the last one lists, with the paths of libtorch's loaded libraries:
// node load-program.mjs MODULE…
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
try {
  const addon = process.argv.slice(2).map((path) => require(path)).at(-1);
  const maps = readFileSync("/proc/self/maps", "utf8");
  const libraries = [...maps.matchAll(/\/.*\/lib(?:torch_cpu|c10)\.so$/gm)].map(([path]) => path);
  process.stdout.write(JSON.stringify({ models: addon.listModels().length, libraries: [...new Set(libraries)] }));
} catch (error) {
  // The message names what the loader missed; a stack trace would push it out of the reported lines.
  process.stderr.write(`${/** @type {Error} */ (error).message}\n`);
  process.exitCode = 1;
}
