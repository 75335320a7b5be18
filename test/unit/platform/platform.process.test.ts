// The layer between the core and the system, through the program that `npm run check:windows` also runs under Wine.
import { mkdtempSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { run } from "../../../lib/install/process.js";

describe("the platform layer", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "reviewkd-platform-"));
  });
  after(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  it("behaves on this system as its program claims", async function () {
    this.timeout(300_000);
    this.slow(60_000);
    const build = join(directory, "build");
    for (const words of [["-S", "test/platform", "-B", build], ["--build", build, "--config", "Release", "--parallel",
      "2"]]) {
      const { status, output } = await run("cmake", words);
      expect(status, output).to.equal(0);
    }
    const files = join(directory, "files");
    mkdirSync(files);
    const { status, stdout, output } = await run(
      join(build, process.platform === "win32" ? "Release/platform.exe" : "platform"),
      [files],
    );
    expect(status, output).to.equal(0);
    expect(stdout).to.match(/^3\d cases, 0 failed, 0 that only Windows itself can decide$/m);
  });
});
