// The emulation of warp instructions by which kernels for tensor cores run on the host, by a program that compares it with the PTX ISA's tables.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { run } from "../../../scripts/support/process.mjs";

describe("the host emulation of a warp", () => {
  let directory: string;
  before(() => { directory = mkdtempSync(join(tmpdir(), "reviewkd-warp-")); });
  after(() => { rmSync(directory, { recursive: true, force: true }); });

  it("has the fragments that the PTX ISA documents, products that are those of matrices, and tiles without bank conflicts", async function () {
    if (process.platform === "win32") this.skip(); // The plugins are built on other systems alone.
    this.timeout(120_000);
    this.slow(30_000);
    const program = join(directory, "warp");
    const compiled = await run(process.env["CXX"] ?? "c++", ["-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", "-I", "native", "test/warp/warp_test.cpp", "-o", program]);
    expect(compiled.status, compiled.output).to.equal(0);
    const { status, stdout, output } = await run(program, []);
    expect(status, output).to.equal(0);
    // 128 values of C, 256 of A, 4 · 32 shuffles, 32 and 64 sums, 4 roundings, 3 waits; 624 groups of eight pixels.
    expect(stdout).to.equal("1239 claims hold\n");
  });
});
