// The target streams of work after failures, through a program with a table of failing functions:
// test/streams/streams_test.cpp.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { runCpp } from "../../support/cpp-program.js";

describe("the streams of a device", () => {
  it("are entered and left in pairs, and joined, wherever an exception occurs", async function () {
    if (process.platform === "win32") this.skip(); // The plugins are built only on other systems.
    this.timeout(180_000);
    this.slow(60_000);
    const { directory } = JSON.parse(readFileSync("build/Release/libtorch.json", "utf8")) as { directory: string };
    const libraries = join(directory, "lib");
    const printed = await runCpp(["test/streams/streams_test.cpp", "native/core/ops/backend/device_streams.cpp"],
      ["-isystem", join(directory, "include"), "-L", libraries, "-lc10", "-ltorch_cpu", `-Wl,-rpath,${libraries}`]);
    expect(printed).to.equal("14 claims hold\n");
  });
});
