// Which streams work goes to when something fails, by a program with a table of functions that fail: test/streams/streams_test.cpp.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { run } from "../../../scripts/support/process.mjs";

describe("the streams of a device", () => {
  let directory: string;
  before(() => { directory = mkdtempSync(join(tmpdir(), "reviewkd-streams-")); });
  after(() => { rmSync(directory, { recursive: true, force: true }); });

  it("are entered and left in pairs, and joined, whatever throws in between", async function () {
    if (process.platform === "win32") this.skip(); // The plugins are built on other systems alone.
    this.timeout(180_000);
    this.slow(60_000);
    const { directory: libtorch } = JSON.parse(readFileSync("build/Release/libtorch.json", "utf8")) as { directory: string };
    const program = join(directory, "streams");
    const compiled = await run(process.env["CXX"] ?? "c++", [
      "-std=c++20", "-O0", "-Wall", "-Wextra", "-Werror", "-I", "native", "-isystem", join(libtorch, "include"), "test/streams/streams_test.cpp", "native/core/ops/device_streams.cpp",
      "-o", program, "-L", join(libtorch, "lib"), "-lc10", "-ltorch_cpu", `-Wl,-rpath,${join(libtorch, "lib")}`,
    ]);
    expect(compiled.status, compiled.output).to.equal(0);
    const { status, stdout, output } = await run(program, []);
    expect(status, output).to.equal(0);
    expect(stdout).to.equal("14 claims hold\n");
  });
});
