import { execFileSync } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { isUnread, readImageFile } from "../../../lib/images/read-image-file.js";
import { scratchDirectory } from "../lib/small-run.js";

describe("readImageFile", () => {
  const scratch = scratchDirectory();

  it("reads a file, also through a link", async () => {
    await writeFile(scratch("image.jpg"), "content");
    await symlink(scratch("image.jpg"), scratch("link.jpg"));
    expect(Buffer.from(await readImageFile(scratch("link.jpg")) as Uint8Array).toString()).to.equal("content");
  });

  it("says why a file cannot be read, in words and without the path", async () => {
    await mkdir(scratch("folder.jpg"));
    await writeFile(scratch("large.jpg"), "content");
    await symlink(scratch("loop.jpg"), scratch("loop.jpg"));
    const reasons: readonly [path: string, code: string, reason: string][] = [
      [scratch("none.jpg"), "FILE_NOT_FOUND", "the file does not exist"],
      [join(scratch("large.jpg"), "1.jpg"), "FILE_NOT_FOUND", "the file does not exist"],
      [scratch("folder.jpg"), "FILE_UNSUPPORTED", "it is a folder, not a file"],
      [scratch("large.jpg"), "FILE_UNSUPPORTED", "it has 7 bytes, more than 5"],
      [scratch("loop.jpg"), "FILE_ACCESS", "its links form a loop"],
      [scratch("x".repeat(300)), "FILE_ACCESS", "its path is too long"],
    ];
    for (const [path, code, reason] of reasons) {
      const read = await readImageFile(path, 5);
      expect(isUnread(read) && { ...read }, path).to.deep.equal({ code, reason });
    }
  });

  it("does not wait for a writer of a pipe", async function () {
    if (process.platform === "win32") this.skip();
    execFileSync("mkfifo", [scratch("pipe.jpg")]);
    expect(await readImageFile(scratch("pipe.jpg"))).to.deep.equal({ code: "FILE_UNSUPPORTED",
      reason: "it is a pipe or device, not a file" });
  });
});
