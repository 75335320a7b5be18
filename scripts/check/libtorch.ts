#!/usr/bin/env -S node --import tsx
// Builds the native code against each supported libtorch and loads it:  npm run check:libtorch -- [--versions
// 2.11.0,2.15.0] [--record FILE] [--clean]
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withFileLock } from "../../lib/install/file-lock.js";
import type { InstallContext } from "../../lib/install/pip.js";
import { ensureCudaToolkit } from "../cuda/toolkit.js";
import { progressOf, requireLinuxX64 } from "../support/command-line.js";
import { BuildError, runMain } from "../support/errors.js";
import { root } from "../support/files.js";
import { processorsHere, versionOf } from "../support/tools.js";
import { checkVersion } from "./libtorch-versions/check.js";
import { parseOptions, USAGE, type CheckOptions } from "./libtorch-versions/options.js";
import { pinsOf, removeVersion } from "./libtorch-versions/pins.js";
import { formatRecord, formatTable, hasPassed, type CheckResult } from "./libtorch-versions/report.js";

await runMain(async () => {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  requireLinuxX64("PLATFORM_UNSUPPORTED", "Run the check on Linux, for which pip has CUDA builds of torch and nvcc.");
  const progress = progressOf("check:libtorch");
  const results = await withFileLock(join(root, "build/.libtorch-versions-lock"),
    () => checkAll(options, { env: process.env, progress }), () => {
    progress("another check is running here: waiting for it");
  });
  process.stdout.write(`${formatTable(results)}\n`);
  const failed = results.filter((row) => !hasPassed(row)).map(({ torch }) => torch);
  if (failed.length > 0)
    throw new BuildError("CHECK_FAILED",
      `invalid native code: expected builds without warnings that load, received failures for torch ${failed.join(", ")}. Fix what is reported above.`);
});

async function checkAll({ versions, record, clean }: CheckOptions, context: InstallContext): Promise<CheckResult[]> {
  const toolkit = context.env["CUDA_HOME"] || await ensureCudaToolkit(context);
  const directory = join(root, "build/libtorch-versions");
  // Kernels of an earlier run would hide their warnings.
  await rm(directory, { recursive: true, force: true });
  const rows: CheckResult[] = [];
  for (const version of versions) {
    const pins = pinsOf(version, "--versions");
    rows.push(await checkVersion(pins, { root, directory, toolkit, ...context }));
    // After each version: if a run of an hour is interrupted, its results so far remain.
    if (record !== undefined) await writeFile(record, formatRecord(rows, await describe(toolkit)));
    if (clean) await removeVersion(pins, context.env);
  }
  return rows;
}

async function describe(toolkit: string): Promise<[string, string][]> {
  return [
    ["hardware", processorsHere()],
    ["C++ compiler", await versionOf(process.env["CXX"] ?? "c++")],
    ["CUDA compiler", `${await versionOf(join(toolkit, "bin/nvcc"), /.*release.*/)}, for sm_90`],
    ["CMake", await versionOf("cmake")],
    ["Node", process.version],
  ];
}
