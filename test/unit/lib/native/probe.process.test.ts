import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { checkoutAddonPath } from "../../../../lib/native/load.js";
import { cacheDirectory, probe } from "../../../../lib/native/probe.js";
import { cacheRoot } from "../../../../scripts/libtorch/cache.mjs";

describe("cacheDirectory", () => {
  it("is the one that the build uses", () => {
    for (const env of [{ REVIEWKD_CACHE: "/a/b" }, { REVIEWKD_CACHE: "", XDG_CACHE_HOME: "/c", HOME: "/d" }, { HOME: "/d" }, {}]) {
      expect(cacheDirectory(env)).to.equal(cacheRoot(env));
    }
  });
});

describe("probe", () => {
  let cache: string;
  beforeEach(() => { cache = mkdtempSync(join(tmpdir(), "reviewkd-probe-")); });
  afterEach(() => { rmSync(cache, { recursive: true, force: true }); });

  const addon = checkoutAddonPath();

  it("remembers a binary that loads, once", () => {
    for (let time = 0; time < 2; ++time) expect(probe({ addon, libraries: [] }, cache)).to.equal(undefined);
    expect(readdirSync(join(cache, "loads"))).to.have.lengthOf(1);
  });

  it("gives the linker's words for one that does not, and forgets them", () => {
    const bad = join(cache, "bad.node");
    writeFileSync(bad, "no library");
    expect(probe({ addon: bad, libraries: [] }, cache)).to.deep.include({ signal: null }).and.have.property("message").that.includes("file too short");
    expect(readdirSync(cache)).to.deep.equal(["bad.node"]);
  });

  it("takes another time of a library that it loads for another binary", () => {
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
