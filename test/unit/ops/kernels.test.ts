// The device's kernels on the host, through a program that compares them with the same formulas in double:
// test/kernels/kernels_test.cpp.
import { expect } from "chai";
import { runCpp } from "../../support/cpp-program.js";

describe("the device's kernels on the host", () => {
  it("compute losses, reports, optimizer steps and gradients like their formulas in double", async function () {
    if (process.platform === "win32") this.skip(); // The plugins are built only on other systems.
    this.timeout(120_000);
    this.slow(30_000);
    const printed = await runCpp(["test/kernels/kernels_test.cpp"]);
    expect(Number(/^(\d+) claims hold\n$/.exec(printed)?.[1]), printed).to.be.greaterThan(1500);
  });
});
