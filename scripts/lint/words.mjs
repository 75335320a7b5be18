// Refuses the phrases and names that words.json replaces:  node --import tsx scripts/lint/words.mjs [--count] [FILE…]
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError, runMain } from "../support/errors.js";
import { root, selectFiles } from "./files.mjs";
import { findWords } from "./find-words.mjs";

const CHECKED =
  /\.(?:ts|mjs|js|cpp|h|cu|cuh|inl|py|sh|md|ya?ml|cmake|html|css)$|(?:^|\/)(?:CMakeLists\.txt|package\.json)$/;
// The list itself, its test, and licences of others.
const EXCLUDED = /^(?:scripts\/lint\/words\.json|test\/unit\/lint\/find-words\.test\.ts|scripts\/package\/licenses\/)/;

await runMain(async () => {
  const words = process.argv.slice(2);
  const paths = words.filter((word) => word !== "--count");
  const option = paths.find((path) => path.startsWith("-"));
  if (option !== undefined)
    throw new BuildError("USAGE", `invalid option: expected --count, received ${option}. Name files without a dash.`);
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const path of (await selectFiles(paths, CHECKED)).filter((name) => !EXCLUDED.test(name))) {
    for (const { line, found, write } of findWords(path, await readFile(join(root, path), "utf8"))) {
      const folder = path.includes("/") ? path.slice(0, path.indexOf("/")) : ".";
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
      if (!words.includes("--count")) process.stdout.write(`${path}:${line}: "${found}"; write: ${write}\n`);
    }
  }
  if (words.includes("--count")) {
    for (const [folder, count] of [...counts].sort()) process.stdout.write(`${folder.padEnd(12)} ${count}\n`);
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  if (total > 0)
    throw new BuildError("WORDS",
      `invalid words: expected none of those that scripts/lint/words.json replaces, received ${total}. Write what it gives instead.`);
});
