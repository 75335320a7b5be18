// The tests that need a GPU:  npm run test:gpu [-- MOCHA'S OPTIONS]
// The suites of fused operations, with the device's kernels compared with PyTorch's operations in double, and those of
// test/gpu. Without a GPU, or a plugin for it, this prints the reason and fails: tests that did not run do not pass.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { systemInfo } from "../../dist/index.js";
import { BuildError, runMain } from "../support/errors.js";

const OPERATIONS = ["conv-norm", "review-operations", "device-batches"];

await runMain(async () => {
  const root = join(import.meta.dirname, "../..");
  const { cuda } = await systemInfo();
  if (!cuda.available) {
    throw new BuildError("CUDA_UNAVAILABLE",
      `no CUDA device: ${cuda.reason ?? "unknown reason"}. Run these tests on a machine with a GPU and a CUDA libtorch.`);
  }
  if (cuda.plugin?.loaded !== true) {
    throw new BuildError("CUDA_UNAVAILABLE",
      `no CUDA plugin: ${cuda.plugin?.reason ?? "unknown reason"}. To fix it: ${cuda.plugin?.fix ?? "npm run build:cuda"}`);
  }
  process.stderr.write(
    `test:gpu: ${cuda.devices.join(", ")}, ${cuda.plugin.path ?? ""}, for ${cuda.plugin.builtFor ?? ""}\n`,
  );
  const files = [
    ...OPERATIONS.map((name) => `test/unit/ops/${name}.test.ts`),
    ...readdirSync(join(root, "test/gpu")).filter((name) => name.endsWith(".test.ts")).map((name) =>
      `test/gpu/${name}`
    ),
  ];
  const { status } = spawnSync(process.execPath, [join(root, "node_modules/mocha/bin/mocha.js"), ...files,
    ...process.argv.slice(2)], { cwd: root, stdio: "inherit", env: { ...process.env, REVIEWKD_TEST_DEVICE: "cuda" } });
  process.exitCode = status ?? 1;
});
