import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { makeDirectory, makeDirectorySync } from "../../../lib/make-directory.js";

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

for (const [name, make] of [
  ["makeDirectory", makeDirectory],
  // eslint-disable-next-line @typescript-eslint/require-await -- its errors become rejections
  ["makeDirectorySync", async (path: string) => {
    makeDirectorySync(path);
  }],
] as const) {
  describe(name, () => {
    let directory: string;
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), "reviewkd-directory-"));
    });
    afterEach(() => {
      rmSync(directory, { recursive: true, force: true });
    });
    const failure = (path: string): Promise<string | undefined> => make(path).then(() => "none", codeOf);

    it("creates a directory with its parents, and leaves one that exists as it is", async () => {
      const path = join(directory, "a", "b", "c");
      await make(path);
      writeFileSync(join(path, "file"), "");
      await make(path);
      expect(existsSync(join(path, "file"))).to.equal(true);
    });

    it("creates it behind a link to a directory", async () => {
      symlinkSync(directory, join(directory, "link"), "dir");
      await make(join(directory, "link", "a", "b"));
      expect(statSync(join(directory, "a", "b")).isDirectory()).to.equal(true);
    });

    it("fails with the system's error where a file or a link to nothing is in the way", async () => {
      writeFileSync(join(directory, "file"), "");
      expect(await failure(join(directory, "file"))).to.equal("EEXIST");
      expect(await failure(join(directory, "file", "a"))).to.be.oneOf(["ENOTDIR", "ENOENT", "EEXIST"]);
      symlinkSync(join(directory, "nothing"), join(directory, "dangling"), "dir");
      expect(await failure(join(directory, "dangling", "a"))).to.equal("EEXIST");
    });

    it("ends where the system reports an existing parent as missing", async function () {
      if (process.platform !== "linux") {
        this.test!.title += " (skipped: needs Linux's /proc)";
        this.skip();
      }
      expect(await failure("/proc/nonexistent/a/b")).to.equal("ENOENT");
      expect(await failure("/proc/self/nonexistent")).to.equal("ENOENT");
    });
  });
}
