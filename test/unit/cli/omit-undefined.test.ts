import { expect } from "chai";
import { omitUndefined, omitEmpty } from "../../../lib/cli/options/omit-undefined.js";

describe("cli/omitUndefined", () => {
  it("drops undefined values, but keeps null, false and 0", () => {
    expect(omitUndefined({ a: undefined, b: null, c: false, d: 0 })).to.deep.equal({ b: null, c: false, d: 0 });
    expect(omitEmpty({ a: undefined })).to.equal(undefined);
  });
});
