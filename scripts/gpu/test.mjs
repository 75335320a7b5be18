// The tests that need a GPU:  npm run test:gpu [-- MOCHA'S OPTIONS]
// The suites of fused operations, with the device's kernels compared with PyTorch's operations in double, and those of
// test/gpu. Without a GPU, or a plugin for it, this prints the reason and fails: tests that did not run do not pass.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { systemInfo } from "../../dist/index.js";
import { progressOf } from "../support/command-line.js";
import { BuildError, runMain } from "../support/errors.js";
import { root } from "../support/files.js";
import { runVisibly } from "../support/tools.js";

const OPERATIONS = ["conv-norm", "review-operations", "device-batches"];

await runMain(async () => {
  const { cuda } = await systemInfo();
  if (!cuda.available) {
    throw new BuildError("CUDA_UNAVAILABLE",
      `no CUDA device: ${cuda.reason ?? "unknown reason"}. Run these tests on a machine with a GPU and a CUDA libtorch.`);
  }
  if (cuda.plugin?.loaded !== true) {
    throw new BuildError("CUDA_UNAVAILABLE",
      `no CUDA plugin: ${cuda.plugin?.reason ?? "unknown reason"}. To fix it: ${cuda.plugin?.fix ?? "npm run build:cuda"}`);
  }
  progressOf("test:gpu")(`${cuda.devices.join(", ")}, ${cuda.plugin.path ?? ""}, for ${cuda.plugin.builtFor ?? ""}`);
  const ofGpu = readdirSync(join(root, "test/gpu")).filter((name) => name.endsWith(".test.ts"));
  const files = [...OPERATIONS.map((name) => `test/unit/ops/${name}.test.ts`),
    ...ofGpu.map((name) => `test/gpu/${name}`)];
  process.exitCode = await runVisibly(process.execPath, [join(root, "node_modules/mocha/bin/mocha.js"), ...files,
    ...process.argv.slice(2)], { cwd: root, env: { REVIEWKD_TEST_DEVICE: "cuda" } });
});
