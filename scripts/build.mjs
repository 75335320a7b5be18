#!/usr/bin/env node
// Builds the package, as far as something changed:  node scripts/build.mjs [--ts] [--native] [--tests]
// (--ts and --native when neither is given; --tests: the native half with the C++ tests)
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildNative } from "./build/native.mjs";
import { buildTypeScript } from "./build/typescript.mjs";
import { BuildError, runMain } from "./support/errors.mjs";
import { withFileLock } from "./support/file-lock.mjs";

await runMain(async () => {
  const parts = process.argv.slice(2);
  const unknown = parts.find((part) => part !== "--ts" && part !== "--native" && part !== "--tests");
  if (unknown !== undefined) throw new BuildError("USAGE", `invalid option: expected --ts, --native, --tests or nothing, received ${unknown}.`);
  const tests = parts.includes("--tests");

  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const progress = (/** @type {string} */ line) => process.stderr.write(`build: ${line}\n`);
  await withFileLock(join(root, "build/.lock"), async () => {
    if (parts.length === 0 || parts.includes("--ts")) await buildTypeScript(root);
    if (parts.length === 0 || parts.includes("--native") || tests) await buildNative(root, progress, { tests });
  }, () => progress("another build is running here: waiting for it"));
});
