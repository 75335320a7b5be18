import { expect } from "chai";
import { loadSharp } from "../../../lib/images/load-sharp.js";
import { failureOf } from "../../support/errors.js";

describe("loadSharp", () => {
  it("finds an installed package", async () => {
    expect(await loadSharp()).to.be.a("function");
  });

  it("explains how to install a missing one", async () => {
    const absent = Object.assign(new Error("Cannot find package 'sharp'"), { code: "ERR_MODULE_NOT_FOUND" });
    const { message, cause } = await failureOf("DEPENDENCY_MISSING", () => loadSharp(() => Promise.reject(absent)));
    expect(message).to.equal(
      "image files require the package sharp, 0.34 or newer: it is not installed. Run `npm install sharp`.",
    );
    expect(cause).to.equal(absent);
  });

  it("reports one that cannot be loaded or is too old", async () => {
    const broken = await failureOf("DEPENDENCY_MISSING",
      () => loadSharp(() => Promise.reject(new Error("no binary for this platform"))));
    expect(broken.message).to.include("no binary for this platform. Run `npm install sharp`");
    const old = await failureOf("DEPENDENCY_MISSING",
      () => loadSharp(() => Promise.resolve({ default() {/* sharp 0.33 */} })));
    expect(old.message).to.include("the installed version is older");
  });
});
