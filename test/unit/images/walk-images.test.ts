import { mkdir, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, relative } from "node:path";
import { expect } from "chai";
import { DataNotices } from "../../../lib/images/data-notices.js";
import { walkImages } from "../../../lib/images/walk-images.js";
import { writeFiles } from "../../support/image-files.js";
import { scratchDirectory } from "../lib/small-run.js";

const scratch = scratchDirectory();

async function files(...names: string[]): Promise<void> {
  await writeFiles(scratch(), Object.fromEntries(names.map((name) => [name, Buffer.from("x")])));
}

interface Walked {
  readonly paths: readonly string[];
  readonly notices: Readonly<Record<string, readonly [count: number, example: string]>>;
}

async function walked(folder = ""): Promise<Walked> {
  const notices = new DataNotices();
  const { paths } = await walkImages(scratch(folder), notices);
  return { paths, notices: Object.fromEntries(
    notices.list().map(({ kind, count, example }) => [kind, [count, relative(scratch(), example)]]),
  ) };
}

describe("a walk over images", () => {
  it("passes by hidden folders at any depth, and folders of the system", async () => {
    await files("1.jpg", "a/b/.ipynb_checkpoints/1-checkpoint.jpg", "a/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg",
      "__MACOSX/._1.jpg", "a/._1.jpg", ".jpg");
    expect(await walked()).to.deep.equal({ paths: ["1.jpg"], notices: { hidden: [5, ".jpg"] } });
  });

  it("takes a folder named like an image for the folder that it is", async () => {
    await files("1.jpg/2.png", "1.jpg/3.jpg/4.png");
    expect(await walked()).to.deep.equal({ paths: ["1.jpg/2.png", "1.jpg/3.jpg/4.png"],
      notices: { "image-named-folder": [2, "1.jpg"] } });
  });

  it("takes each file once, however many links lead to it or to its folder", async () => {
    await files("a/1.jpg", "a/2.jpg", "b/3.jpg");
    await symlink(scratch(), scratch("a", "root"));
    await symlink(scratch("a"), scratch("a", "again"));
    await symlink("1.jpg", scratch("a", "copy.jpg"));
    await symlink(scratch("b", "3.jpg"), scratch("a", "other.jpg"));
    expect(await walked()).to.deep.equal({ paths: ["a/1.jpg", "a/2.jpg", "b/3.jpg"],
      notices: { "repeated-link": [4, "a/again"] } });
    // Within a alone, the link leads to an image of another folder, and the link to the root to all of them.
    expect((await walked("a")).paths).to.deep.equal(["1.jpg", "2.jpg", "other.jpg"]);
  });

  it("follows links to folders and files elsewhere, also through other links", async () => {
    await files("pool/x/1.jpg", "pool/2.dat", "photos/0.jpg");
    await symlink(scratch("pool"), scratch("linked"));
    await symlink(scratch("linked", "x"), scratch("photos", "more"));
    await symlink(scratch("linked", "2.dat"), scratch("photos", "2.jpg"));
    expect(await walked("photos")).to.deep.equal({ paths: ["0.jpg", "2.jpg", "more/1.jpg"], notices: {} });
  });

  it("passes by links to nothing and to themselves, sockets, and files that are no images", async function () {
    if (process.platform === "win32") this.skip();
    await files("1.jpg", "notes.txt", "2.jpg.bak");
    await symlink(scratch("nothing"), scratch("gone.jpg"));
    await symlink(scratch("loop.jpg"), scratch("loop.jpg"));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(scratch("socket.jpg"), resolve));
    try {
      await symlink(scratch("socket.jpg"), scratch("linked.jpg"));
      const { paths, notices } = await walked();
      expect([paths, Object.keys(notices).sort()]).to.deep.equal([["1.jpg"], ["broken-link", "not-image",
        "special-file"]]);
      expect(Object.values(notices).map(([count]) => count)).to.deep.equal([2, 2, 2]);
    } finally {
      server.close();
    }
  });

  it("keeps names with line breaks and other characters, and shows them on one line", async function () {
    if (process.platform === "win32") this.skip();
    await files("a\nb.jpg", "🐦.jpg", "c\nd.txt");
    const notices = new DataNotices();
    expect((await walkImages(scratch(), notices)).paths).to.deep.equal(["a\nb.jpg", "🐦.jpg"]);
    expect(notices.list()[0]?.text).to.equal(
      `skipped 1 file without an image's ending: ${join(scratch(), "c\\nd.txt")}`,
    );
  });

  it("passes by names that are not UTF-8, but not those with a real replacement character", async function () {
    if (process.platform !== "linux") this.skip();
    await files("\uFFFD.jpg");
    await writeFile(Buffer.concat([Buffer.from(`${scratch()}/`), Buffer.from([0xe9]), Buffer.from(".jpg")]), "x");
    expect(await walked()).to.deep.equal({ paths: ["\uFFFD.jpg"], notices: { "invalid-name": [1, "\uFFFD.jpg"] } });
  });

  it("goes down as deep as paths may be long", async () => {
    let folder = scratch();
    for (let depth = 0; depth < 300; ++depth) folder = join(folder, "abcdef");
    await mkdir(folder, { recursive: true });
    await writeFiles(folder, { "1.jpg": Buffer.from("x") });
    expect((await walked()).paths).to.have.length(1);
  });

  it("fails for the folder itself alone", async () => {
    const error = await walkImages(scratch("none"), new DataNotices()).then(() => undefined,
      (reason: unknown) => reason);
    expect((error as NodeJS.ErrnoException).code).to.equal("ENOENT");
  });
});
