#!/usr/bin/env -S node --import tsx
// Runs the package with its CUDA plugin and libtorch's CUDA half on a machine without a GPU, on a CUDA runtime that
// records its calls.
// `npm run check:cuda -- --help` prints the options; docs/cuda.md describes what this proves, and what it cannot.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseOptions, USAGE } from "../cuda/check-options.js";
import { withRecording, type Recording } from "../cuda/recording.js";
import { progressOf } from "../support/command-line.js";
import { runMain } from "../support/errors.js";
import { root as checkout, withTemporaryDirectory } from "../support/files.js";
import { runVisibly } from "../support/tools.js";

await runMain(async () => {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  const context = { root: checkout, torch: options.torch, env: process.env, progress: progressOf("cuda") };
  process.exitCode = await withRecording(context,
    (recording) => (options.count ? count : test)(recording, options.rest));
});

/** The tests start programs on the runtime; mocha itself does not run on it. */
function test({ root, env }: Recording, options: readonly string[]): Promise<number> {
  const names = readdirSync(join(root, "test/cuda")).filter((name) => name.endsWith(".test.ts"));
  const parameters = [join(root, "node_modules/mocha/bin/mocha.js"), "--parallel", "--jobs", "2",
    ...names.map((name) => `test/cuda/${name}`), ...options];
  return runVisibly(process.execPath, parameters, { cwd: root, env: { REVIEWKD_RECORDING: JSON.stringify(env) } });
}

function count({ root, env }: Recording, options: readonly string[]): Promise<number> {
  return withTemporaryDirectory("recording", (folder) =>
    // On the host, larger kernels would take minutes; the session reads back only the results of those with one block.
    runVisibly(process.execPath, ["--import", "tsx", join(root, "bench/kernels-per-step.mjs"), ...options], { cwd: root,
      env: { ...env, REVIEWKD_RECORDING_FILE: join(folder, "calls.jsonl"), REVIEWKD_RECORDING_MAX_BLOCKS: "1" } }));
}
