// The device's kernels on the host, by a program that compares them with the same formulas in double: test/kernels/kernels_test.cpp.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { run } from "../../../scripts/support/process.mjs";

describe("the device's kernels on the host", () => {
  let directory: string;
  before(() => { directory = mkdtempSync(join(tmpdir(), "reviewkd-kernels-")); });
  after(() => { rmSync(directory, { recursive: true, force: true }); });

  it("compute losses, reports, optimizer's steps and gradients as their formulas do in double", async function () {
    if (process.platform === "win32") this.skip(); // The plugins are built on other systems alone.
    this.timeout(120_000);
    this.slow(30_000);
    const program = join(directory, "kernels");
    const compiled = await run(process.env["CXX"] ?? "c++", ["-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", "-I", "native", "test/kernels/kernels_test.cpp", "-o", program]);
    expect(compiled.status, compiled.output).to.equal(0);
    const { status, stdout, output } = await run(program, []);
    expect(status, output).to.equal(0);
    expect(Number(/^(\d+) claims hold\n$/.exec(stdout)?.[1]), stdout).to.be.greaterThan(1500);
  });
});
