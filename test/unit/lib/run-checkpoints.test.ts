import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { expect } from "chai";
import { ReviewKdError, type ErrorCode } from "../../../lib/errors.js";
import { newestCheckpoint, numberedName, putAside, removeOldest } from "../../../lib/runs/run-checkpoints.js";
import { failureOf, scratchDirectory } from "./small-run.js";

describe("the checkpoints of a run", () => {
  const scratch = scratchDirectory();

  /** Files whose text says how reading them ends. */
  const put = async (files: Readonly<Record<string, ErrorCode | "whole">>): Promise<void> => {
    for (const [name, text] of Object.entries(files)) await writeFile(scratch(name), text);
  };
  const read = async (path: string): Promise<string> => {
    const text = await readFile(path, "utf8");
    if (text !== "whole") throw new ReviewKdError(text as ErrorCode, `${basename(path)} is not`);
    return text;
  };
  const newest = async (): Promise<{ name: string; damaged: string[] } | undefined> => {
    const found = await newestCheckpoint(scratch(), read);
    return found && { name: basename(found.path), damaged: found.damaged.map(({ path }) => basename(path)) };
  };

  it("are none in an empty directory, or in none", async () => {
    expect(await newest()).to.equal(undefined);
    expect(await newestCheckpoint(scratch("none"), read)).to.equal(undefined);
    await put({ "best.safetensors": "whole", "student.safetensors": "whole" });
    expect(await newest()).to.equal(undefined);
  });

  it("are tried from the newest on: last, the one before, those that are kept", async () => {
    await put({ "last.safetensors": "whole", "previous.safetensors": "whole", "epoch-0009.safetensors": "whole", "epoch-0010.safetensors": "whole", "epoch-10000.safetensors": "whole" });
    expect(await newest()).to.deep.equal({ name: "last.safetensors", damaged: [] });
    await put({ "last.safetensors": "FILE_CORRUPT" });
    expect(await newest()).to.deep.equal({ name: "previous.safetensors", damaged: ["last.safetensors"] });
    await put({ "previous.safetensors": "FILE_UNSUPPORTED" });
    expect(await newest()).to.deep.equal({ name: "epoch-10000.safetensors", damaged: ["last.safetensors", "previous.safetensors"] });
  });

  it("are named, each with its reason, where none is whole", async () => {
    await put({ "last.safetensors": "FILE_CORRUPT", "previous.safetensors": "FILE_CORRUPT" });
    const error = await failureOf(newest());
    expect(error.code).to.equal("FILE_CORRUPT");
    expect(error.message.split("\n").slice(1, 3)).to.deep.equal([
      "  - last.safetensors: last.safetensors is not", "  - previous.safetensors: previous.safetensors is not",
    ]);
  });

  it("are not passed over for another reason", async () => {
    await put({ "last.safetensors": "STATE_DICT_MISMATCH", "previous.safetensors": "whole" });
    expect((await failureOf(newest())).code).to.equal("STATE_DICT_MISMATCH");
  });

  it("are kept, the newest of them", async () => {
    const names = [1, 2, 9, 10, 11, 10_000].map(numberedName);
    expect(names.slice(0, 2)).to.deep.equal(["epoch-0001.safetensors", "epoch-0002.safetensors"]);
    await put(Object.fromEntries([...names, "epoch-x.safetensors", "last.safetensors"].map((name) => [name, "whole"])));
    await removeOldest(scratch(), 3);
    expect(await readdir(scratch())).to.have.members([...names.slice(-3), "epoch-x.safetensors", "last.safetensors"]);
  });

  it("are put aside where the last is damaged, so that it never becomes the one before", async () => {
    await put({ "last.safetensors": "FILE_CORRUPT", "previous.safetensors": "whole" });
    const found = await newestCheckpoint(scratch(), read);
    await putAside(scratch(), found!.damaged);
    expect(await readdir(scratch())).to.have.members(["last.safetensors.damaged", "previous.safetensors"]);
    await mkdir(scratch("other"));
    await putAside(scratch(), []);
  });
});
