#!/usr/bin/env node
// Finds or fetches libtorch:  node scripts/libtorch.mjs locate|install [--cuda] [--json]
// With --cuda both halves of the CUDA build are installed for running on a GPU, and nothing is built with them.
import { installCudaLibTorch } from "./libtorch/cuda.mjs";
import { ensureLibTorch } from "./libtorch/install.mjs";
import { locateLibTorch } from "./libtorch/locate.mjs";
import { BuildError, runMain } from "./support/errors.mjs";

await runMain(async () => {
  const [command, ...flags] = process.argv.slice(2);
  const cuda = command === "install" && flags.includes("--cuda");
  const unknown = flags.find((flag) => flag !== "--json" && !(cuda && flag === "--cuda"));
  if ((command !== "locate" && command !== "install") || unknown !== undefined) {
    throw new BuildError("USAGE", `expected locate or install, perhaps --cuda, then perhaps --json, got ${process.argv.slice(2).join(" ") || "nothing"}`);
  }
  const progress = (/** @type {string} */ line) => process.stderr.write(`libtorch: ${line}\n`);
  const found = cuda ? await installCudaLibTorch(process.env, progress)
    : command === "locate" ? await locateLibTorch(process.env) : await ensureLibTorch(process.env, progress);
  const text = flags.includes("--json")
    ? JSON.stringify(found)
    : `libtorch ${found.version} (${found.variant}) from ${found.source}: ${found.directory}`;
  process.stdout.write(`${text}\n`);
});
