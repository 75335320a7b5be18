#!/usr/bin/env -S node --import tsx
// Builds what changed:  node --import tsx scripts/build.ts [--ts] [--native] [--testing] [--tests]
// (--ts and --native if none is given; --testing: the native half with the addon of tests and benchmarks; --tests: with
// the C++ tests, too)
import { join } from "node:path";
import { withFileLock } from "../lib/install/file-lock.js";
import { buildNative } from "./build/native.js";
import { buildTypeScript } from "./build/typescript.js";
import { progressOf } from "./support/command-line.js";
import { BuildError, runMain } from "./support/errors.js";
import { root } from "./support/files.js";

await runMain(async () => {
  const parts = process.argv.slice(2);
  const unknown = parts.find((part) => !["--ts", "--native", "--testing", "--tests"].includes(part));
  if (unknown !== undefined)
    throw new BuildError("USAGE",
      `invalid arguments: expected --ts, --native, --testing, --tests or none, received ${unknown}. Without arguments, --ts and --native are built.`);

  const tests = parts.includes("--tests");
  const testing = tests || parts.includes("--testing");
  const progress = progressOf("build");
  await withFileLock(join(root, "build/.lock"), async () => {
    if (parts.length === 0 || parts.includes("--ts")) await buildTypeScript(root);
    if (parts.length === 0 || parts.includes("--native") || testing)
      await buildNative(root, { env: process.env, progress }, { testing, tests });
  }, () => {
    progress("another build is running here: waiting for it");
  });
});
