import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { checkoutAddonPath } from "../../../../lib/install/load.js";
import { probe } from "../../../../lib/install/probe.js";

describe("probe", () => {
  let cache: string;
  beforeEach(() => {
    cache = mkdtempSync(join(tmpdir(), "reviewkd-probe-"));
  });
  afterEach(() => {
    rmSync(cache, { recursive: true, force: true });
  });

  const addon = checkoutAddonPath();

  it("remembers a binary that loads, once", () => {
    for (let time = 0; time < 2; ++time) expect(probe({ addon, libraries: [] }, cache)).to.equal(undefined);
    expect(readdirSync(join(cache, "loads"))).to.have.lengthOf(1);
  });

  it("reports the linker's message for one that does not load, and does not cache it", () => {
    const bad = join(cache, "bad.node");
    writeFileSync(bad, "no library");
    expect(probe({ addon: bad, libraries: [] }, cache)).to.deep.include({ signal: null }).and.have.property("message")
      .that.includes("file too short");
    expect(readdirSync(cache)).to.deep.equal(["bad.node"]);
  });

  it("tests a binary again after a library that it loads has changed", () => {
    const library = join(cache, "library");
    for (const text of ["a", "ab"]) {
      writeFileSync(library, text);
      probe({ addon, libraries: [library] }, cache);
    }
    expect(readdirSync(join(cache, "loads"))).to.have.lengthOf(2);
  });

  it("works with a cache that cannot be written", () => {
    const file = join(cache, "file");
    writeFileSync(file, "");
    expect(probe({ addon, libraries: [] }, file)).to.equal(undefined);
  });
});
