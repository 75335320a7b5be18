// Refuses the phrases and names that words.json replaces:  node --import tsx scripts/lint/words.ts [--count] [FILE…]
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError, runMain } from "../support/errors.js";
import { root } from "../support/files.js";
import { readPaths, selectFiles } from "./files.js";
import { findWords } from "./find-words.js";

const CHECKED =
  /\.(?:ts|mjs|js|cpp|h|cu|cuh|inl|py|sh|md|ya?ml|cmake|html|css)$|(?:^|\/)(?:CMakeLists\.txt|package\.json)$/;
// The list itself, its test, and licences of others.
const EXCLUDED = /^(?:scripts\/lint\/words\.json|test\/unit\/lint\/find-words\.test\.ts|scripts\/package\/licenses\/)/;

await runMain(async () => {
  const { paths, isSet: onlyCounts } = readPaths("--count");
  const counts = new Map<string, number>();
  for (const path of (await selectFiles(paths, CHECKED)).filter((name) => !EXCLUDED.test(name))) {
    for (const { line, found, write } of findWords(path, await readFile(join(root, path), "utf8"))) {
      const folder = path.includes("/") ? path.slice(0, path.indexOf("/")) : ".";
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
      if (!onlyCounts) process.stdout.write(`${path}:${line}: "${found}"; write: ${write}\n`);
    }
  }
  if (onlyCounts) {
    for (const [folder, count] of [...counts].sort()) process.stdout.write(`${folder.padEnd(12)} ${count}\n`);
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  if (total > 0)
    throw new BuildError("WORDS",
      `invalid words: expected none of those that scripts/lint/words.json replaces, received ${total}. Write what it gives instead.`);
});
