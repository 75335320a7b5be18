// Tests that run again as on processors with less instructions than this one.
import { spawnSync } from "node:child_process";
import { expect } from "chai";
import { TEST_DEVICE } from "./device.js";

/** Set where tests run for such a processor, or with a device's kernels. */
const LOWERED = process.env["ATEN_CPU_CAPABILITY"] !== undefined || process.env["REVIEWKD_CUDA_PLUGIN"] !== undefined || TEST_DEVICE !== "cpu";

/** Adds a test for each lower capability: all of the `count` tests in `file` pass there. */
export function repeatLowered(file: string, count: number): void {
  if (LOWERED) return;
  for (const capability of ["avx2", "default"]) {
    it(`do all of that for processors that have no more than ${capability}`, function () {
      this.timeout(120_000);
      const { status, stdout } = spawnSync(process.execPath, ["node_modules/mocha/bin/mocha.js", file],
        { env: { ...process.env, ATEN_CPU_CAPABILITY: capability }, encoding: "utf8" });
      expect(status, stdout).to.equal(0);
      expect(stdout).to.match(new RegExp(`\\b${count} passing`));
    });
  }
}
