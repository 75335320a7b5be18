import { writeFile } from "node:fs/promises";
import { expect } from "chai";
import { readClassNames } from "../../../lib/cli/options/class-names.js";
import { failureOf } from "../../support/errors.js";
import { scratchDirectory } from "../lib/small-run.js";

describe("class names on the command line", () => {
  const scratch = scratchDirectory();

  /** The names in a file of this content. */
  async function read(content: string | Buffer): Promise<string[]> {
    await writeFile(scratch("names"), content);
    return readClassNames(scratch("names"));
  }

  it("are a list, or the lines of a file, without spaces around them", async () => {
    expect(await readClassNames("cat, dog")).to.deep.equal(["cat", "dog"]);
    expect(await readClassNames("cat")).to.deep.equal(["cat"]);
    expect(await read("cat\r\nbull dog\r\n\r\n")).to.deep.equal(["cat", "bull dog"]);
    expect(await read("\uFEFFcat\ndog")).to.deep.equal(["cat", "dog"]);
    expect(await read("[other\ndog")).to.deep.equal(["[other", "dog"]);
  });

  it("are a list in JSON, or an object by index, also that of Keras", async () => {
    expect(await read('["cat", "dog"]')).to.deep.equal(["cat", "dog"]);
    expect(await read('{"1": "dog", "0": "cat"}')).to.deep.equal(["cat", "dog"]);
    expect(await read('{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}')).to.deep.equal(["tench",
      "goldfish"]);
    for (const other of ["[1, 2]", "[]", "{}", '{"0": "cat", "2": "dog"}', '{"names": ["cat", "dog"]}']) {
      const { message } = await failureOf("FILE_UNSUPPORTED", () => read(other));
      expect(message, other).to.include("received other JSON");
    }
  });

  it("are none of them empty", async () => {
    const refused = async (names: () => Promise<unknown>): Promise<string> =>
      (await failureOf("INVALID_ARGUMENT", names)).message;
    expect(await refused(() => readClassNames("cat,,x"))).to.equal(
      "invalid --class-names: expected a name for each class, received an empty one: name 2 of the list. " +
        "Pass a file with one name a line, or names separated by commas.",
    );
    expect(await refused(() => read("cat\n\nx\n"))).to.include(`line 2 of ${scratch("names")}`);
    expect(await refused(() => read(""))).to.include("line 1 of");
    expect(await refused(() => read('["cat", "", "x"]'))).to.include("index 1 of");
  });

  it("are not binary, nor text in UTF-16", async () => {
    const refused = async (content: Buffer): Promise<string> =>
      (await failureOf("FILE_UNSUPPORTED", () => read(content))).message;
    expect(await refused(Buffer.from("\u{FEFF}cat\ndog", "utf16le"))).to.include(
      "expected text in UTF-8, received text in UTF-16",
    );
    expect(await refused(Buffer.from("cat\ndog", "utf16le"))).to.include("received a file of another format");
    expect(await refused(Buffer.from("89504e470d0a1a0a", "hex"))).to.include("received a file of another format");
  });

  it("are not a path that does not exist, nor a folder", async () => {
    const { message } = await failureOf("FILE_NOT_FOUND", () => readClassNames(scratch("missing.txt")));
    expect(message).to.include("the file does not exist");
    await failureOf("FILE_ACCESS", () => readClassNames(scratch()));
  });
});
