#!/usr/bin/env -S node --import tsx
// The tests that need a GPU:  npm run test:gpu [-- MOCHA'S OPTIONS]
// The suites of fused operations, with the device's kernels held against PyTorch's operations in double, and what test/gpu has. Where there is no GPU,
// or no plugin for it, this says why and fails: nothing that was not run passes.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemInfo } from "../dist/index.js";
import { BuildError, runMain } from "./support/errors.js";

const OPERATIONS = ["conv-norm", "review-operations", "device-batches"];

await runMain(async () => {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const { cuda } = await systemInfo();
  if (!cuda.available) {
    throw new BuildError("CUDA_UNAVAILABLE", `expected a CUDA device for these tests, got none: ${cuda.reason ?? "no reason"}; run them on a machine with a GPU and a CUDA libtorch`);
  }
  if (cuda.plugin?.loaded !== true) {
    throw new BuildError("CUDA_UNAVAILABLE", `expected the CUDA plugin for these tests, got none: ${cuda.plugin?.reason ?? "no reason"}; to mend it: ${cuda.plugin?.fix ?? "npm run build:cuda"}`);
  }
  process.stderr.write(`test:gpu: ${cuda.devices.join(", ")}, ${cuda.plugin.path ?? ""}, for ${cuda.plugin.builtFor ?? ""}\n`);
  const files = [
    ...OPERATIONS.map((name) => `test/unit/ops/${name}.test.ts`),
    ...readdirSync(join(root, "test/gpu")).filter((name) => name.endsWith(".test.ts")).map((name) => `test/gpu/${name}`),
  ];
  const { status } = spawnSync(process.execPath, [join(root, "node_modules/mocha/bin/mocha.js"), ...files, ...process.argv.slice(2)],
    { cwd: root, stdio: "inherit", env: { ...process.env, REVIEWKD_TEST_DEVICE: "cuda" } });
  process.exitCode = status ?? 1;
});
