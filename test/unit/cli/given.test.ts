import { expect } from "chai";
import { given, givenOrNothing } from "../../../lib/cli/options/omit-undefined.js";

describe("cli/given", () => {
  it("treats what was not given as absent, but keeps null, false and 0", () => {
    expect(given({ a: undefined, b: null, c: false, d: 0 })).to.deep.equal({ b: null, c: false, d: 0 });
    expect(givenOrNothing({ a: undefined })).to.equal(undefined);
  });
});
