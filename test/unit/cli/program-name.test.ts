import { expect } from "chai";
import { programWords, shellQuote } from "../../../lib/cli/program-name.js";

describe("cli/program-name", () => {
  it("reproduces how the program was started", () => {
    expect(programWords(["node", "/usr/bin/reviewkd"], [], "/home")).to.deep.equal(["reviewkd"]);
    expect(programWords(["node", "/p/node_modules/.bin/reviewkd"], [], "/p")).to.deep.equal(["npx", "reviewkd"]);
    expect(programWords(["node", "/p/dist/cli/main.js"], [], "/p")).to.deep.equal(["node", "dist/cli/main.js"]);
    expect(programWords(["node", "/p/lib/cli/main.ts"], ["--import=tsx"], "/p")).to.deep.equal(["node", "--import=tsx",
      "lib/cli/main.ts"]);
    expect(programWords(["node", "/p/dist/cli/main.js"], [], "/q")).to.deep.equal(["node", "/p/dist/cli/main.js"]);
  });

  it("quotes words that a shell would interpret", () => {
    expect(["runs/a-1", "my run", "it's", "$HOME", ""].map(shellQuote)).to.deep.equal(["runs/a-1", "'my run'",
      "'it'\\''s'", "'$HOME'", "''"]);
  });
});
