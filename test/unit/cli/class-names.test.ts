import { writeFile } from "node:fs/promises";
import { expect } from "chai";
import { readClassNames } from "../../../lib/cli/options/class-names.js";
import { failureOf } from "../../support/errors.js";
import { scratchDirectory } from "../lib/small-run.js";

describe("class names on the command line", () => {
  const scratch = scratchDirectory();

  it("are a list, or the lines of a file, without spaces around them", async () => {
    expect(await readClassNames("cat, dog")).to.deep.equal(["cat", "dog"]);
    expect(await readClassNames("cat")).to.deep.equal(["cat"]);
    await writeFile(scratch("names.txt"), "cat\r\nbull dog\r\n");
    expect(await readClassNames(scratch("names.txt"))).to.deep.equal(["cat", "bull dog"]);
  });

  it("are not a path that does not exist, nor a folder", async () => {
    const { message } = await failureOf("FILE_NOT_FOUND", () => readClassNames(scratch("missing.txt")));
    expect(message).to.include("the file does not exist");
    await failureOf("FILE_ACCESS", () => readClassNames(scratch()));
  });
});
