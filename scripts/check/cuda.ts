#!/usr/bin/env -S node --import tsx
// Runs the package with its CUDA plugin and libtorch's CUDA half on a machine without a GPU, on a CUDA runtime that
// records its calls.
// `npm run check:cuda -- --help` prints the options; docs/cuda.md describes what this proves, and what it cannot.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseOptions, USAGE } from "../cuda/check-options.js";
import { withRecording, type Recording } from "../cuda/recording.js";
import { runMain } from "../support/errors.js";

await runMain(async () => {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const progress = (line: string): void => void process.stderr.write(`cuda: ${line}\n`);
  process.exitCode = await withRecording({ root, torch: options.torch, env: process.env, progress },
    (recording) => (options.count ? count : test)(recording, options.rest));
});

/** The tests start programs on the runtime; mocha itself does not run on it. */
function test({ root, env }: Recording, options: readonly string[]): Promise<number> {
  const files = readdirSync(join(root, "test/cuda")).filter((name) => name.endsWith(".test.ts")).map((name) =>
    `test/cuda/${name}`
  );
  return node(root, [join(root, "node_modules/mocha/bin/mocha.js"), "--parallel", "--jobs", "2", ...files, ...options],
    { REVIEWKD_RECORDING: JSON.stringify(env) });
}

async function count({ root, env }: Recording, options: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "reviewkd-recording-"));
  try {
    // On the host, larger kernels would take minutes; the session reads back only the results of those with one block.
    return await node(root, ["--import", "tsx", join(root, "bench/kernels-per-step.mjs"), ...options], { ...env,
      REVIEWKD_RECORDING_FILE: join(folder, "calls.jsonl"), REVIEWKD_RECORDING_MAX_BLOCKS: "1" });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs Node, and returns its exit status. */
async function node(cwd: string, parameters: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(process.execPath, parameters, { cwd, stdio: "inherit", env: { ...process.env, ...env } });
  const [status] = await once(child, "close") as [number | null];
  return status ?? 1;
}
