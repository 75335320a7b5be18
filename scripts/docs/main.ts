#!/usr/bin/env -S node --import tsx
// Writes the pages and pictures of docs that are made from the code:  node --import tsx scripts/docs/main.ts [--check]
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { BuildError, runMain } from "../support/errors.js";
import { environmentPage, readSources } from "./environment.js";
import { errorsPage } from "./errors.js";
import { readFolders } from "./folders.js";
import { drawPicture } from "./picture.js";

/** The files of the checkout at `root` that are not as the code is, with the text that they should have. */
export function outdatedFiles(root: string): (readonly [path: string, text: string])[] {
  const sources = readSources(root);
  const files = [["docs/environment.md", environmentPage(sources)], ["docs/errors.md", errorsPage(sources)]] as const;
  return files.filter(([path, text]) =>
    !existsSync(join(root, path)) || readFileSync(join(root, path), "utf8") !== text
  );
}

if (resolve(process.argv[1] ?? "") === import.meta.filename) {
  await runMain(async () => {
    const root = resolve(import.meta.dirname, "../..");
    const outdated = outdatedFiles(root);
    if (process.argv.includes("--check") && outdated.length > 0)
      throw new BuildError("OUTDATED", `run \`npm run docs\` for ${outdated.map(([path]) => path).join(", ")}.`);
    for (const [path, text] of outdated) writeFileSync(join(root, path), text);
    // The picture shows every file: a check of it would fail with each new one.
    if (!process.argv.includes("--check"))
      writeFileSync(join(root, "docs/pictures/structure.svg"), await drawPicture("Now", readFolders(root)));
  });
}
