import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { expect } from "chai";
import { ReviewKdError, type ErrorCode } from "../../../lib/errors.js";
import { newestCheckpoint, numberedName, removeOldest, renameDamaged } from "../../../lib/runs/run-checkpoints.js";
import { failureOf, scratchDirectory } from "./small-run.js";

describe("the checkpoints of a run", () => {
  const scratch = scratchDirectory();

  /** Writes files whose text determines the result of reading them. */
  const put = async (files: Readonly<Record<string, ErrorCode | "valid">>): Promise<void> => {
    for (const [name, text] of Object.entries(files)) await writeFile(scratch(name), text);
  };
  const read = async (path: string): Promise<string> => {
    const text = await readFile(path, "utf8");
    if (text !== "valid") throw new ReviewKdError(text as ErrorCode, `${basename(path)} is not`);
    return text;
  };
  const newest = async (): Promise<{ name: string; damaged: string[] } | undefined> => {
    const found = await newestCheckpoint(scratch(), read);
    return found && { name: basename(found.path), damaged: found.damaged.map(({ path }) => basename(path)) };
  };

  it("are none in an empty or missing directory", async () => {
    expect(await newest()).to.equal(undefined);
    expect(await newestCheckpoint(scratch("none"), read)).to.equal(undefined);
    await put({ "best.safetensors": "valid", "student.safetensors": "valid" });
    expect(await newest()).to.equal(undefined);
  });

  it("are tried from newest to oldest: last, previous, periodic ones", async () => {
    await put({ "last.safetensors": "valid", "previous.safetensors": "valid", "epoch-0009.safetensors": "valid",
      "epoch-0010.safetensors": "valid", "epoch-10000.safetensors": "valid" });
    expect(await newest()).to.deep.equal({ name: "last.safetensors", damaged: [] });
    await put({ "last.safetensors": "FILE_CORRUPT" });
    expect(await newest()).to.deep.equal({ name: "previous.safetensors", damaged: ["last.safetensors"] });
    await put({ "previous.safetensors": "FILE_UNSUPPORTED" });
    expect(await newest()).to.deep.equal({ name: "epoch-10000.safetensors",
      damaged: ["last.safetensors", "previous.safetensors"] });
  });

  it("are listed, each with its reason, if none is valid", async () => {
    await put({ "last.safetensors": "FILE_CORRUPT", "previous.safetensors": "FILE_CORRUPT" });
    const error = await failureOf(newest());
    expect(error.code).to.equal("FILE_CORRUPT");
    expect(error.message.split("\n").slice(1, 3)).to.deep.equal([
      "  - last.safetensors: last.safetensors is not",
      "  - previous.safetensors: previous.safetensors is not",
    ]);
  });

  it("are not skipped for another reason", async () => {
    await put({ "last.safetensors": "STATE_DICT_MISMATCH", "previous.safetensors": "valid" });
    expect((await failureOf(newest())).code).to.equal("STATE_DICT_MISMATCH");
  });

  it("are removed, except the newest periodic ones", async () => {
    const names = [1, 2, 9, 10, 11, 10_000].map(numberedName);
    expect(names.slice(0, 2)).to.deep.equal(["epoch-0001.safetensors", "epoch-0002.safetensors"]);
    await put(Object.fromEntries([...names, "epoch-x.safetensors", "last.safetensors"].map((name) => [name, "valid"])));
    await removeOldest(scratch(), 3);
    expect(await readdir(scratch())).to.have.members([...names.slice(-3), "epoch-x.safetensors", "last.safetensors"]);
  });

  it("are renamed if the last is damaged, so that it never becomes the previous one", async () => {
    await put({ "last.safetensors": "FILE_CORRUPT", "previous.safetensors": "valid" });
    const found = await newestCheckpoint(scratch(), read);
    await renameDamaged(scratch(), found!.damaged);
    expect(await readdir(scratch())).to.have.members(["last.safetensors.damaged", "previous.safetensors"]);
    await mkdir(scratch("other"));
    await renameDamaged(scratch(), []);
  });
});
