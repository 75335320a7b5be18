// mocha can only import() this file, because it awaits at its top level: see test/support/testing-addon.mjs.
import { expect } from "chai";

const { addonPath } = await import("../../../lib/native.js");

describe("a test file that mocha imports", () => {
  it("runs on the tests' addon, like those that it requires", () => {
    expect(addonPath()).to.match(/reviewkd-testing\.node$/);
  });
});
