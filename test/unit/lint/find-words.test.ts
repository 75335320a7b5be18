import { expect } from "chai";
import { findWords } from "../../../scripts/lint/find-words.js";

const foundIn = (path: string, text: string): string[] => findWords(path, text).map(({ found }) => found);

describe("findWords", () => {
  it("gives line, phrase and replacement", () => {
    expect(findWords("docs/runs.md", "A run.\nThe same command goes on.\n")).to.deep.equal([{ line: 2, found: "goes on",
      write: "continues, resumes" }]);
  });

  for (const [phrase, found] of [
    ["losses are told by term", "told"],
    ["Tells which one is taken", "Tells"],
    ["the addon and the libraries beside it", "beside"],
    ["the training went on", "went on"],
    ["maps are made again where needed", "made again"],
    ["the file is written anew", "anew"],
    ["one command that mends it", "mends"],
    ["nobody reads it", "nobody"],
    ["undefined where there is none", "where there is none"],
    ["it asks for a key", "asks for"],
    ["results are held against the reference", "held against"],
    ["expected a number for epochs, got x", "expected a number for epochs, got"],
    ["`expected 3 values, got ${count}`", "expected 3 values, got"],
  ] as const) {
    it(`finds "${found}" in "${phrase}"`, () => {
      expect(foundIn("lib/a.ts", `// ${phrase}`)).to.include(found);
      expect(foundIn("native/a.cpp", `  fail("${phrase}");`)).to.include(found);
    });
  }

  it("passes over words that only contain a phrase", () => {
    expect(
      foundIn("lib/a.ts", "// the amendment, a teller, canoe, besides, goes one step, ask forgiveness, made against"),
    ).to.deep.equal([]);
  });

  it("passes over a field named `got` and file names with a phrase between hyphens", () => {
    expect(foundIn("lib/a.ts", "mismatched.map(({ name, expected, got }) => `${expected.length}, ${got.length}`)")).to
      .deep
      .equal([]);
    expect(foundIn("lib/a.ts", "const Mismatch = z.strictObject({ expected: Shape, got: Shape });")).to.deep.equal([]);
    expect(foundIn("native/a.cpp", 'text << "(expected " << expected << ", received " << at::IntArrayRef(got);')).to
      .deep
      .equal([]);
    expect(foundIn("scripts/a.py", 'yield "nested-beside-average", {}')).to.deep.equal([]);
    expect(foundIn("native/a.cpp", 'text << "expected " << expected << ", got " << count;')).to.have.length(1);
  });

  it("finds a comment that begins with What, None or Takes, and no sentence inside of one", () => {
    expect(foundIn("lib/a.ts", "/** What was read. */\nconst a = 1; // None\n")).to.deep.equal(["What", "None"]);
    expect(foundIn("native/a.h", "/// A tensor.\n/// None if it was moved.\nint a;\n/// Takes a tensor.\n")).to.deep
      .equal(["Takes"]);
    expect(foundIn("lib/a.ts", "/**\n * What was read.\n * What follows.\n */\n")).to.deep.equal(["What"]);
    expect(foundIn("scripts/a.py", "# What was read.\n# None of it.\n")).to.deep.equal(["What"]);
    expect(foundIn("README.md", "# What it is\n")).to.deep.equal([]);
  });

  it("finds names that were replaced, as whole names alone", () => {
    expect(foundIn("lib/a.ts", "await startHost(); new Fit" + "Log(); this.#owed = settle(x);")).to.deep.equal([
      "startHost",
      "Fit" + "Log",
      "#owed",
      "settle",
    ]);
    expect(foundIn("lib/a.ts", "restartHost(); MyFitLog; unsettle(x); forgiven(x)")).to.deep.equal([]);
  });

  it("finds names that are ordinary words in C++ alone", () => {
    expect(foundIn("native/a.cpp", "const Images images(input);")).to.deep.equal(["Images"]);
    expect(foundIn("docs/data.md", "Images (as files) in a folder")).to.deep.equal([]);
  });

  it("passes over a file named as a substitute", () => {
    expect(foundIn("examples/a.ts", 'import { StandInWindow } from "./stand-in.js";')).to.deep.equal([]);
    expect(foundIn("native/a.h", "/// A stand-in on the CPU.\nstruct stand_in;")).to.deep.equal(["stand-in",
      "stand_in"]);
  });

  it("passes over the standard library and the options that replaced `accumulate`", () => {
    expect(foundIn("native/a.cpp", "std::accumulate(first, last, 0)")).to.deep.equal([]);
    expect(foundIn("README.md", "--accumulate-batches 4")).to.deep.equal([]);
    expect(foundIn("README.md", "--accumulate 4")).to.deep.equal(["accumulate"]);
  });
});
