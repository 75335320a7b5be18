import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { loadInNewProcess } from "../../../scripts/check/libtorch-versions/load.js";

describe("loadInNewProcess", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "reviewkd-load-"));
  });
  after(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  it("reports what Node says of an addon that does not load", async () => {
    const outcome: unknown = await loadInNewProcess(directory, directory, process.env).catch((error: unknown) => error);
    expect(outcome).to.be.an("error").with.property("code", "LOAD_FAILED");
    expect((outcome as Error).message).to.include("Cannot find module").and.include("preload.node");
  });
});
