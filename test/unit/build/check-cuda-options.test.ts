import { expect } from "chai";
import { parseOptions } from "../../../scripts/cuda/check-options.js";

describe("parseOptions of check:cuda", () => {
  it("leaves mocha's options to mocha", () => {
    expect(parseOptions(["-g", "a graph"])).to.deep.equal({ help: false, count: false, torch: undefined,
      rest: ["-g", "a graph"] });
  });

  it("takes a pinned version of torch, in either spelling", () => {
    expect(parseOptions(["--torch", "2.11.0", "--count", "--json"])).to.deep.equal({ help: false, count: true,
      torch: "2.11.0", rest: ["--json"] });
    expect(parseOptions(["--bail", "--torch=2.15.0"])).to.deep.equal({ help: false, count: false, torch: "2.15.0",
      rest: ["--bail"] });
  });

  it("names the pinned versions where another one is given", () => {
    expect(() => parseOptions(["--torch", "2.10.0"])).to.throw("invalid --torch: expected 2.11.0, ").with.property(
      "code",
      "USAGE",
    );
    for (const option of ["--torch", "--torch="])
      expect(() => parseOptions([option])).to.throw("received none.").with.property("code", "USAGE");
    expect(parseOptions(["--torch", "2.10.0", "--help"])).to.include({ help: true });
  });
});
