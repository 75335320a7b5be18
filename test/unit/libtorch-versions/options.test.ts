import { expect } from "chai";
import { parseOptions } from "../../../scripts/check/libtorch-versions/options.js";
import { TORCH_VERSIONS } from "../../../scripts/check/libtorch-versions/pins.js";

describe("parseOptions of check:libtorch", () => {
  it("checks all pinned versions by default, and keeps them", () => {
    expect(parseOptions([])).to.deep.equal({ versions: TORCH_VERSIONS, record: undefined, clean: false, help: false });
  });

  it("keeps the order of the given versions, each once", () => {
    expect(parseOptions(["--versions", "2.15.0, 2.11.0,2.15.0", "--record", "table.md", "--clean"])).to.deep.equal({
      versions: ["2.15.0", "2.11.0"],
      record: "table.md",
      clean: true,
      help: false,
    });
  });

  it("names the pinned versions where another one is given", () => {
    expect(() => parseOptions(["--versions", "2.11.0,2.10.0"])).to.throw("invalid --versions: expected 2.11.0, ").with
      .property("code", "USAGE");
    expect(() => parseOptions(["--versions", "toString"])).to.throw("received toString.").with.property("code",
      "USAGE");
  });

  it("rejects an empty list and unknown options", () => {
    expect(() => parseOptions(["--versions", ","])).to.throw("received an empty list").with.property("code", "USAGE");
    expect(() => parseOptions(["--version", "2.11.0"])).to.throw("invalid options: ").with.property("code", "USAGE");
  });
});
