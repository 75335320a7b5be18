// The emulation of warp instructions that runs tensor core kernels on the host, through a program that compares it
// with the PTX ISA's tables.
import { expect } from "chai";
import { runCpp } from "../../support/cpp-program.js";

describe("the host emulation of a warp", () => {
  it("has the fragments that the PTX ISA documents, correct matrix products, and tiles without bank conflicts", async function () {
    if (process.platform === "win32") this.skip(); // The plugins are built only on other systems.
    this.timeout(120_000);
    this.slow(30_000);
    // 128 values of C, 256 of A, 4 · 32 shuffles, 32 and 64 sums, 4 roundings, 3 waits; 624 groups of eight pixels.
    expect(await runCpp(["test/warp/warp_test.cpp"])).to.equal("1239 claims hold\n");
  });
});
