import { homedir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { cacheRoot } from "../../../../lib/install/cache.js";
import { failureOf } from "../../../support/errors.js";

describe("the directory of the cache", () => {
  const absolute = resolve("home");

  it("is REVIEWKD_CACHE, in which ~ stands for the home directory", async () => {
    expect(cacheRoot({ REVIEWKD_CACHE: "own", XDG_CACHE_HOME: absolute })).to.equal(resolve("own"));
    expect(cacheRoot({ REVIEWKD_CACHE: "~/own" })).to.equal(join(homedir(), "own"));
    expect(cacheRoot({ REVIEWKD_CACHE: "~" })).to.equal(homedir());
    const { message } = await failureOf("INVALID_ARGUMENT", () => cacheRoot({ REVIEWKD_CACHE: "~ann/own" }));
    expect(message).to.match(/^invalid REVIEWKD_CACHE: expected a whole path instead of ~user/);
  });

  it("is below XDG_CACHE_HOME, or else HOME, if these are absolute", () => {
    expect(cacheRoot({ XDG_CACHE_HOME: absolute })).to.equal(join(absolute, "reviewkd"));
    const ofHome = join(absolute, ".cache", "reviewkd");
    for (const wrong of ["", "cache", "./cache"])
      expect(cacheRoot({ XDG_CACHE_HOME: wrong, HOME: absolute }), wrong).to.equal(ofHome);
  });

  it("is below the home directory that the system has for the user if HOME is relative", () => {
    const before = process.env["HOME"];
    process.env["HOME"] = "relative";
    try {
      const expected = process.platform === "win32" ? homedir() : userInfo().homedir;
      expect(cacheRoot({ HOME: "relative" })).to.equal(join(expected, ".cache", "reviewkd"));
    } finally {
      if (before === undefined) delete process.env["HOME"];
      else process.env["HOME"] = before;
    }
  });
});
