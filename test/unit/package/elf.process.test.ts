import { expect } from "chai";
import { join } from "node:path";
import { definedSymbols, newest, readLibrary } from "../../../scripts/package/elf.js";
import { checkoutAddonPath } from "../../../lib/install/load.js";

describe("readLibrary", () => {
  it("reads the addon's libraries and the versions that it requires", async function () {
    if (process.platform !== "linux") this.skip();
    const { needed, glibc, glibcxx, imports } = await readLibrary(checkoutAddonPath());
    expect(needed).to.include.members(["libtorch_cpu.so", "libc10.so", "libstdc++.so.6"]);
    expect(glibc).to.match(/^2\.\d+$/);
    expect(glibcxx).to.match(/^3\.4\.\d+$/);
    expect(imports).to.include("napi_create_function");
  });
});

describe("symbols", () => {
  // A small library of this checkout, which is always built together with the addon.
  const library = join(checkoutAddonPath(), "..", "reviewkd_host_emulation.so");
  before(function () {
    if (process.platform !== "linux") this.skip();
  });

  it("are read from a library that exports one function", async () => {
    expect((await definedSymbols(library)).filter((symbol) => symbol.startsWith("reviewkd"))).to.deep.equal([
      "reviewkd_kernel_backend",
    ]);
  });

  it("that may be missing are distinguished from those that must be defined", async () => {
    const { imports, strongImports } = await readLibrary(library);
    expect(imports).to.include.members(["__cxa_finalize", "_Unwind_Resume"]);
    expect(strongImports).to.include("_Unwind_Resume").and.not.include("__cxa_finalize");
    expect(strongImports.every((symbol) => imports.includes(symbol))).to.equal(true);
  });
});

describe("newest", () => {
  it("compares versions by their numbers", () => {
    expect(newest(["2.9", "2.28", undefined, "2.17"])).to.equal("2.28");
    expect(newest(["3.4", "3.4.21"])).to.equal("3.4.21");
    expect(newest([undefined])).to.equal(undefined);
  });
});
