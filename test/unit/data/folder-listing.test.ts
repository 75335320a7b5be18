import { symlink } from "node:fs/promises";
import { expect } from "chai";
import { limitListing, listImageFolder } from "../../../lib/datasets/folder-listing.js";
import { failureOf } from "../../support/errors.js";
import { writeFiles } from "../../support/image-files.js";
import { scratchDirectory } from "../lib/small-run.js";

const scratch = scratchDirectory();

/** Creates files below the scratch directory; their content does not matter. */
async function files(...names: string[]): Promise<void> {
  await writeFiles(scratch(), Object.fromEntries(names.map((name) => [name, Buffer.from("x")])));
}

describe("image folder listing", () => {
  it("takes classes from the sorted folder names and files by name, whatever the case of their extensions", async () => {
    await files("train/zebra/b.JPEG", "train/zebra/a.png", "train/ant/10.jpg", "train/ant/9.webp", "val/zebra/v.jpg",
      "val/ant/w.tiff");
    expect(await listImageFolder(scratch())).to.deep.equal({
      classNames: ["ant", "zebra"],
      trainFolder: scratch("train"),
      testFolder: scratch("val"),
      train: { paths: ["ant/10.jpg", "ant/9.webp", "zebra/a.png", "zebra/b.JPEG"], labels: [0, 0, 1, 1] },
      test: { paths: ["ant/w.tiff", "zebra/v.jpg"], labels: [0, 1] },
    });
  });

  it("uses test if there is no val, and val if there are both", async () => {
    await files("train/a/1.jpg", "train/b/1.jpg", "test/a/t.jpg", "test/b/t.jpg");
    expect((await listImageFolder(scratch())).testFolder).to.equal(scratch("test"));
    await files("val/a/v.jpg", "val/b/v.jpg");
    expect((await listImageFolder(scratch())).testFolder).to.equal(scratch("val"));
  });

  it("descends into folders within a class, follows links, and skips hidden files and other files", async () => {
    await files("train/a/deep/er/1.jpg", "train/a/.hidden.jpg", "train/a/notes.txt", "train/.cache/1.jpg",
      "train/readme.md", "elsewhere/2.jpg");
    await symlink(scratch("elsewhere"), scratch("train", "b"));
    await files("val/a/1.jpg", "val/b/1.jpg");
    const { classNames, train } = await listImageFolder(scratch());
    expect(classNames).to.deep.equal(["a", "b"]);
    expect(train.paths).to.deep.equal(["a/deep/er/1.jpg", "b/2.jpg"]);
  });

  it("names the classes in which train and val differ", async () => {
    await files("train/a/1.jpg", "train/b/1.jpg", "train/c/1.jpg", "val/a/1.jpg", "val/d/1.jpg");
    const { message } = await failureOf("FILE_CORRUPT", () => listImageFolder(scratch()));
    expect(message).to.equal(
      `invalid class folders in ${scratch("train")} and ${scratch("val")}: expected the same names in both, ` +
        "received b, c only in the first and d only in the second. Add or remove them.",
    );
  });

  const missing: Readonly<Record<string, { files: string[]; names: string }>> = {
    "no folder": { files: [], names: "train/CLASS/*.jpg" },
    "no train and val": { files: ["images/a/1.jpg"], names: "received images" },
    "no val": { files: ["train/a/1.jpg", "train/b/1.jpg"], names: "train and val (or test)" },
    "a single class": { files: ["train/a/1.jpg", "val/a/1.jpg"], names: "at least 2 classes" },
    "no class folders": { files: ["train/1.jpg", "val/1.jpg"], names: "at least 2 classes" },
    "a class without images": { files: ["train/a/1.jpg", "train/b/notes.txt", "val/a/1.jpg", "val/b/1.jpg"],
      names: "train/b: expected at least one image" },
  };
  for (const [what, { files: names, names: named }] of Object.entries(missing)) {
    it(`reports what is missing: ${what}`, async () => {
      await files(...names);
      const { message } = await failureOf("FILE_NOT_FOUND", () =>
        listImageFolder(scratch(names.length === 0 ? "absent" : "")));
      expect(message).to.include(named);
    });
  }

  it("refuses to skip images of types that are not decoded", async () => {
    await files("train/a/1.jpg", "train/a/2.bmp", "train/b/1.jpg", "val/a/1.jpg", "val/b/1.jpg");
    const { message, valid } = await failureOf("FILE_UNSUPPORTED", () => listImageFolder(scratch()));
    expect(message).to.include("2.bmp").and.include("Convert or remove them");
    expect(valid).to.include(".jpg");
  });
});

describe("a limit on a listing", () => {
  const listing = { paths: ["a1", "a2", "a3", "b1", "c1", "c2"], labels: [0, 0, 0, 1, 2, 2] };

  it("takes images in turn from each class, and keeps their order", () => {
    expect(limitListing(listing, 3)).to.deep.equal({ paths: ["a1", "b1", "c1"], labels: [0, 1, 2] });
    expect(limitListing(listing, 5)).to.deep.equal({ paths: ["a1", "a2", "b1", "c1", "c2"], labels: [0, 0, 1, 2, 2] });
  });

  it("changes nothing if there are no more", () => {
    expect(limitListing(listing, 6)).to.equal(listing);
    expect(limitListing(listing, undefined)).to.equal(listing);
  });
});
