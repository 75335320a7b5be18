#!/usr/bin/env -S node --import tsx
// Builds what changed:  node --import tsx scripts/build.ts [--ts] [--native] [--testing] [--tests]
// (--ts and --native if none is given; --testing: the native half with the addon of tests and benchmarks; --tests: with
// the C++ tests, too)
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { withFileLock } from "../lib/install/file-lock.js";
import { buildNative } from "./build/native.js";
import { buildTypeScript } from "./build/typescript.js";
import { BuildError, runMain } from "./support/errors.js";

await runMain(async () => {
  const parts = process.argv.slice(2);
  const unknown = parts.find((part) => !["--ts", "--native", "--testing", "--tests"].includes(part));
  if (unknown !== undefined)
    throw new BuildError("USAGE",
      `invalid arguments: expected --ts, --native, --testing, --tests or none, received ${unknown}. Without arguments, --ts and --native are built.`);

  const tests = parts.includes("--tests");
  const testing = tests || parts.includes("--testing");
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const progress = (line: string): void => void process.stderr.write(`build: ${line}\n`);
  await withFileLock(join(root, "build/.lock"), async () => {
    if (parts.length === 0 || parts.includes("--ts")) await buildTypeScript(root);
    if (parts.length === 0 || parts.includes("--native") || testing)
      await buildNative(root, { env: process.env, progress }, { testing, tests });
  }, () => {
    progress("another build is running here: waiting for it");
  });
});
