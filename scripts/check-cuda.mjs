#!/usr/bin/env node
// Runs the package with its CUDA plugin and libtorch's CUDA half on a machine without a GPU, on a CUDA runtime that records what it is called for.
// `npm run check:cuda -- --help` prints the options; docs/cuda.md says what this proves, and what it cannot.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseOptions, USAGE } from "./cuda/check-options.mjs";
import { buildRecording } from "./cuda/recording.mjs";
import { runMain } from "./support/errors.mjs";

/** @typedef {import("./cuda/recording.mjs").Recording} Recording */

await runMain(async () => {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const recording = await buildRecording({ root, torch: options.torch, env: process.env, progress: (line) => process.stderr.write(`cuda: ${line}\n`) });
  process.exitCode = options.count ? count(recording, options.rest) : test(recording, options.rest);
});

/**
 * The tests start programs on the runtime; mocha itself does not run on it.
 *
 * @param {Recording} recording
 * @param {readonly string[]} options
 */
function test({ root, env }, options) {
  const files = readdirSync(join(root, "test/cuda")).filter((name) => name.endsWith(".test.ts")).map((name) => `test/cuda/${name}`);
  const { status } = spawnSync(process.execPath, [join(root, "node_modules/mocha/bin/mocha.js"), "--parallel", "--jobs", "2", ...files, ...options],
    { cwd: root, stdio: "inherit", env: { ...process.env, REVIEWKD_RECORDING: JSON.stringify(env) } });
  return status ?? 1;
}

/**
 * @param {Recording} recording
 * @param {readonly string[]} options
 */
function count({ root, env }, options) {
  const folder = mkdtempSync(join(tmpdir(), "reviewkd-recording-"));
  try {
    // On the host, kernels of this size would take minutes; those with scalars in one block are what the session reads back.
    const variables = { ...process.env, ...env, REVIEWKD_RECORDING_FILE: join(folder, "calls.jsonl"), REVIEWKD_RECORDING_MAX_BLOCKS: "1" };
    const { status } = spawnSync(process.execPath, [join(root, "bench/kernels-per-step.mjs"), ...options], { cwd: root, stdio: "inherit", env: variables });
    return status ?? 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
