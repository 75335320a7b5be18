import { expect } from "chai";
import { newest, readLibrary } from "../../../scripts/package/elf.mjs";
import { checkoutAddonPath } from "../../../lib/native/load.js";

describe("readLibrary", () => {
  it("reads what the addon loads and which versions it asks for", async function () {
    if (process.platform !== "linux") this.skip();
    const { needed, glibc, glibcxx, imports } = await readLibrary(checkoutAddonPath());
    expect(needed).to.include.members(["libtorch_cpu.so", "libc10.so", "libstdc++.so.6"]);
    expect(glibc).to.match(/^2\.\d+$/);
    expect(glibcxx).to.match(/^3\.4\.\d+$/);
    expect(imports).to.include("napi_create_function");
  });
});

describe("newest", () => {
  it("compares versions by their numbers", () => {
    expect(newest(["2.9", "2.28", undefined, "2.17"])).to.equal("2.28");
    expect(newest(["3.4", "3.4.21"])).to.equal("3.4.21");
    expect(newest([undefined])).to.equal(undefined);
  });
});
