// Tests repeated with a lower instruction set than this processor's.
import { spawnSync } from "node:child_process";
import { expect } from "chai";
import { TEST_DEVICE } from "./device.js";

/** Set while tests run for such a processor, or with a device's kernels. */
const LOWERED = process.env["ATEN_CPU_CAPABILITY"] !== undefined || process.env["REVIEWKD_CUDA_PLUGIN"] !== undefined || TEST_DEVICE !== "cpu";

/** Adds a test for each lower capability: all `count` tests in `file` pass there. */
export function repeatLowered(file: string, count: number): void {
  if (LOWERED) return;
  for (const capability of ["avx2", "default"]) {
    it(`do all of that for processors with at most ${capability}`, function () {
      this.timeout(120_000);
      const { status, stdout } = spawnSync(process.execPath, ["node_modules/mocha/bin/mocha.js", file],
        { env: { ...process.env, ATEN_CPU_CAPABILITY: capability }, encoding: "utf8" });
      expect(status, stdout).to.equal(0);
      expect(stdout).to.match(new RegExp(`\\b${count} passing`));
    });
  }
}
