#!/usr/bin/env node
// Builds the native code against each supported libtorch and loads it:  npm run check:libtorch -- [--versions 2.11.0,2.15.0] [--record FILE] [--clean]
import { rm, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureCudaToolkit } from "./cuda/toolkit.mjs";
import { platformName } from "./libtorch/locate.mjs";
import { checkVersion } from "./libtorch-versions/check.mjs";
import { parseOptions, USAGE } from "./libtorch-versions/options.mjs";
import { pinsOf, removeVersion } from "./libtorch-versions/pins.mjs";
import { formatRecord, formatTable, hasPassed } from "./libtorch-versions/report.mjs";
import { BuildError, runMain } from "./support/errors.mjs";
import { withFileLock } from "./support/file-lock.mjs";
import { run } from "./support/process.mjs";

await runMain(async () => {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (platformName !== "linux-x64") {
    throw new BuildError("PLATFORM_UNSUPPORTED", `invalid platform: expected linux-x64, received ${platformName}. Run the check on Linux, for which pip has CUDA builds of torch and nvcc.`);
  }
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const progress = (/** @type {string} */ line) => process.stderr.write(`check:libtorch: ${line}\n`);
  const results = await withFileLock(join(root, "build/.libtorch-versions-lock"), () => checkAll(root, options, progress), () => progress("another check is running here: waiting for it"));
  process.stdout.write(`${formatTable(results)}\n`);
  const failed = results.filter((row) => !hasPassed(row)).map(({ torch }) => torch);
  if (failed.length > 0) throw new BuildError("CHECK_FAILED", `invalid native code: expected builds without warnings that load, received failures for torch ${failed.join(", ")}. Fix what is reported above.`);
});

/**
 * @param {string} root
 * @param {import("./libtorch-versions/options.mjs").CheckOptions} options
 * @param {(line: string) => void} progress
 */
async function checkAll(root, { versions, record, clean }, progress) {
  const toolkit = process.env["CUDA_HOME"] || await ensureCudaToolkit(process.env, progress);
  const directory = join(root, "build/libtorch-versions");
  // Kernels of an earlier run would hide their warnings.
  await rm(directory, { recursive: true, force: true });
  const rows = [];
  for (const version of versions) {
    const pins = pinsOf(version, "--versions");
    rows.push(await checkVersion(pins, { root, directory, toolkit, env: process.env, progress }));
    // After each version: an interrupted run of an hour keeps its results.
    if (record !== undefined) await writeFile(record, formatRecord(rows, await describe(toolkit)));
    if (clean) await removeVersion(pins, process.env);
  }
  return rows;
}

/**
 * @param {string} toolkit
 * @returns {Promise<[string, string][]>}
 */
async function describe(toolkit) {
  const version = async (/** @type {string} */ program, pattern = /.+/) => pattern.exec((await run(program, ["--version"])).stdout)?.[0].trim() ?? "unknown";
  return [
    ["hardware", `${cpus().length} cores of ${cpus()[0]?.model.trim() ?? "unknown"}`],
    ["C++ compiler", await version(process.env["CXX"] ?? "c++")],
    ["CUDA compiler", `${await version(join(toolkit, "bin/nvcc"), /.*release.*/)}, for sm_90`],
    ["CMake", await version("cmake")],
    ["Node", process.version],
  ];
}
