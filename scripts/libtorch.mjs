#!/usr/bin/env node
// Finds or fetches libtorch:  node scripts/libtorch.mjs locate|install [--json]
import { ensureLibTorch } from "./libtorch/install.mjs";
import { locateLibTorch } from "./libtorch/locate.mjs";
import { BuildError, runMain } from "./support/errors.mjs";

await runMain(async () => {
  const [command, ...flags] = process.argv.slice(2);
  const unknown = flags.find((flag) => flag !== "--json");
  if ((command !== "locate" && command !== "install") || unknown !== undefined) {
    throw new BuildError("USAGE", `expected locate or install, then perhaps --json, got ${process.argv.slice(2).join(" ") || "nothing"}`);
  }
  const progress = (/** @type {string} */ line) => process.stderr.write(`libtorch: ${line}\n`);
  const found = command === "locate" ? await locateLibTorch(process.env) : await ensureLibTorch(process.env, progress);
  const text = flags.length > 0
    ? JSON.stringify(found)
    : `libtorch ${found.version} (${found.variant}) from ${found.source}: ${found.directory}`;
  process.stdout.write(`${text}\n`);
});
