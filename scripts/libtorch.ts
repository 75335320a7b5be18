#!/usr/bin/env -S node --import tsx
// Finds the libtorch that a build takes, or downloads it:  node --import tsx scripts/libtorch.ts locate|install
// [--json]
import { ensureLibTorch } from "../lib/install/fetch.js";
import { locateLibTorch } from "../lib/install/locate.js";
import { progressOf } from "./support/command-line.js";
import { BuildError, runMain } from "./support/errors.js";

await runMain(async () => {
  const [command, ...flags] = process.argv.slice(2);
  if ((command !== "locate" && command !== "install") || flags.some((flag) => flag !== "--json")) {
    throw new BuildError("USAGE",
      `invalid arguments: expected locate or install, then --json or nothing, received ${process.argv.slice(2).join(" ") || "none"}. Use \`locate\` to download nothing.`);
  }
  const context = { env: process.env, progress: progressOf("libtorch"), showBar: true };
  const found = command === "locate" ? await locateLibTorch(process.env) : await ensureLibTorch(context);
  const text = `libtorch ${found.version} (${found.variant}) from ${found.source}: ${found.directory}`;
  process.stdout.write(`${flags.includes("--json") ? JSON.stringify(found) : text}\n`);
});
