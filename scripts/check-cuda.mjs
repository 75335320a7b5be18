#!/usr/bin/env node
// Runs the package with its CUDA plugin and libtorch's CUDA half on a machine without a GPU, on a CUDA runtime that records its calls.
// `npm run check:cuda -- --help` prints the options; docs/cuda.md describes what this shows, and what it cannot.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseOptions, USAGE } from "./cuda/check-options.mjs";
import { withRecording } from "./cuda/recording.mjs";
import { runMain } from "./support/errors.mjs";

/** @typedef {import("./cuda/recording.mjs").Recording} Recording */

await runMain(async () => {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const progress = (/** @type {string} */ line) => process.stderr.write(`cuda: ${line}\n`);
  process.exitCode = await withRecording({ root, torch: options.torch, env: process.env, progress }, (recording) => (options.count ? count : test)(recording, options.rest));
});

/**
 * The tests start programs on the runtime; mocha itself does not run on it.
 *
 * @param {Recording} recording
 * @param {readonly string[]} options
 */
function test({ root, env }, options) {
  const files = readdirSync(join(root, "test/cuda")).filter((name) => name.endsWith(".test.ts")).map((name) => `test/cuda/${name}`);
  return node(root, [join(root, "node_modules/mocha/bin/mocha.js"), "--parallel", "--jobs", "2", ...files, ...options], { REVIEWKD_RECORDING: JSON.stringify(env) });
}

/**
 * @param {Recording} recording
 * @param {readonly string[]} options
 */
async function count({ root, env }, options) {
  const folder = mkdtempSync(join(tmpdir(), "reviewkd-recording-"));
  try {
    // On the host, kernels of this size would take minutes; the session only reads back those with scalars in one block.
    return await node(root, [join(root, "bench/kernels-per-step.mjs"), ...options], { ...env, REVIEWKD_RECORDING_FILE: join(folder, "calls.jsonl"), REVIEWKD_RECORDING_MAX_BLOCKS: "1" });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {string} cwd
 * @param {readonly string[]} parameters
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} the exit status
 */
async function node(cwd, parameters, env) {
  const child = spawn(process.execPath, parameters, { cwd, stdio: "inherit", env: { ...process.env, ...env } });
  const [status] = await once(child, "close");
  return status ?? 1;
}
