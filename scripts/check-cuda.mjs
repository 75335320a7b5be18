#!/usr/bin/env node
// Runs the package with its CUDA plugin and libtorch's CUDA half on a machine without a GPU, on a CUDA runtime that records what it is called for:
//   node scripts/check-cuda.mjs [MOCHA'S OPTIONS]           the suites of test/cuda
//   node scripts/check-cuda.mjs --count [OPTIONS]           kernels, copies and memsets of a training step: bench/kernels-per-step.mjs
// docs/cuda.md says what this proves, and what it cannot.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildRecording } from "./cuda/recording.mjs";
import { runMain } from "./support/errors.mjs";

await runMain(async () => {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const progress = (/** @type {string} */ line) => process.stderr.write(`cuda: ${line}\n`);
  const recording = await buildRecording(root, process.env, progress);
  const [first, ...rest] = process.argv.slice(2);
  process.exitCode = first === "--count" ? count(root, recording, rest) : test(root, recording, process.argv.slice(2));
});

/**
 * The tests start programs on the runtime; mocha itself does not run on it.
 *
 * @param {string} root
 * @param {NodeJS.ProcessEnv} recording
 * @param {readonly string[]} options
 */
function test(root, recording, options) {
  const files = readdirSync(join(root, "test/cuda")).filter((name) => name.endsWith(".test.ts")).map((name) => `test/cuda/${name}`);
  const { status } = spawnSync(process.execPath, [join(root, "node_modules/mocha/bin/mocha.js"), "--parallel", "--jobs", "2", ...files, ...options],
    { cwd: root, stdio: "inherit", env: { ...process.env, REVIEWKD_RECORDING: JSON.stringify(recording) } });
  return status ?? 1;
}

/**
 * @param {string} root
 * @param {NodeJS.ProcessEnv} recording
 * @param {readonly string[]} options
 */
function count(root, recording, options) {
  const folder = mkdtempSync(join(tmpdir(), "reviewkd-recording-"));
  try {
    // On the host, kernels of this size would take minutes; those with scalars in one block are what the session reads back.
    const env = { ...process.env, ...recording, REVIEWKD_RECORDING_FILE: join(folder, "calls.jsonl"), REVIEWKD_RECORDING_MAX_BLOCKS: "1" };
    const { status } = spawnSync(process.execPath, [join(root, "bench/kernels-per-step.mjs"), ...options], { cwd: root, stdio: "inherit", env });
    return status ?? 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
