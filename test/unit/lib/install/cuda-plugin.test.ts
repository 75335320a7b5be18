import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { findCudaPlugin } from "../../../../lib/install/layout.js";

describe("the CUDA plugin's package", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "reviewkd-plugin-"));
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  /** A project in `root` with the package, whole or not. */
  function install(project: string, { whole = true } = {}): string {
    const directory = join(root, project, "node_modules", "@reviewkd", "linux-x64-cuda");
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "package.json"),
      JSON.stringify({ name: "@reviewkd/linux-x64-cuda", version: "1.0.0" }));
    if (whole) writeFileSync(join(directory, "reviewkd_cuda.so"), "");
    return join(directory, "reviewkd_cuda.so");
  }

  it("is found where it is installed, from the first of the places", () => {
    const [first, second] = [install("first"), install("second")];
    expect(findCudaPlugin([join(root, "first"), join(root, "second")], "linux-x64")).to.equal(first);
    expect(findCudaPlugin([join(root, "nowhere"), join(root, "second")], "linux-x64")).to.equal(second);
  });

  it("is none where it is not installed, not whole, or for another platform", () => {
    install("broken", { whole: false });
    install("whole");
    expect(findCudaPlugin([join(root, "nowhere")], "linux-x64")).to.equal(undefined);
    expect(findCudaPlugin([join(root, "broken")], "linux-x64")).to.equal(undefined);
    expect(findCudaPlugin([join(root, "whole")], "linux-arm64")).to.equal(undefined);
  });
});
