import { mkdir, symlink } from "node:fs/promises";
import { expect } from "chai";
import { limitListing, listImageFolder, type ImageFolder } from "../../../lib/datasets/folder-listing.js";
import { failureOf } from "../../support/errors.js";
import { writeFiles } from "../../support/image-files.js";
import { scratchDirectory } from "../lib/small-run.js";

const scratch = scratchDirectory();

/** Creates files below the scratch directory; their content does not matter. */
async function files(...names: string[]): Promise<void> {
  await writeFiles(scratch(), Object.fromEntries(names.map((name) => [name, Buffer.from("x")])));
}

/** The notices by kind: how many, and the first example below the scratch directory. */
function noticesOf({ notices }: ImageFolder): Record<string, readonly [count: number, example: string]> {
  return Object.fromEntries(
    notices.map(({ kind, count, example }) => [kind, [count, example.replace(`${scratch()}/`, "")]]),
  );
}

const TWO_CLASSES = ["train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/b/1.jpg"];

describe("image folder listing", () => {
  it("takes classes from the sorted folder names and files by name, whatever the case of their extensions", async () => {
    await files("train/zebra/b.JPEG", "train/zebra/a.png", "train/ant/10.jpg", "train/ant/9.webp", "val/zebra/v.jpg",
      "val/ant/w.tiff");
    expect(await listImageFolder(scratch())).to.deep.equal({
      classNames: ["ant", "zebra"],
      train: { folder: scratch("train"), paths: ["ant/10.jpg", "ant/9.webp", "zebra/a.png", "zebra/b.JPEG"],
        labels: [0, 0, 1, 1] },
      test: { folder: scratch("val"), paths: ["ant/w.tiff", "zebra/v.jpg"], labels: [0, 1] },
      notices: [],
    });
  });

  it("descends into folders within a class, follows links, and passes hidden and other files by", async () => {
    await files(...TWO_CLASSES, "train/a/deep/er/2.jpg", "train/a/.hidden.jpg", "train/a/notes.txt",
      "train/.cache/1.jpg", "train/readme.md", "train/loose.png", "elsewhere/3.jpg");
    await symlink(scratch("elsewhere"), scratch("train", "c"));
    const listed = await listImageFolder(scratch());
    expect(listed.classNames).to.deep.equal(["a", "b", "c"]);
    expect(listed.train?.paths).to.deep.equal(["a/1.jpg", "a/deep/er/2.jpg", "b/1.jpg", "c/3.jpg"]);
    expect(noticesOf(listed)).to.deep.equal({ "unused-folder": [1, "elsewhere"], "hidden": [2, "train/.cache"],
      "outside-class": [1, "train/loose.png"], "not-image": [2, "train/readme.md"], "missing-class": [1, "val/c"] });
  });

  it("requires test images of no class, whether its folder is missing or empty", async () => {
    await files(...TWO_CLASSES, "train/c/1.jpg", "train/d/1.jpg");
    await mkdir(scratch("val", "d"));
    const listed = await listImageFolder(scratch());
    expect(listed.classNames).to.deep.equal(["a", "b", "c", "d"]);
    expect(listed.test?.labels).to.deep.equal([0, 1]);
    expect(noticesOf(listed)).to.deep.equal({ "missing-class": [2, "val/c"] });
  });

  it("names a class that train does not have, and the one that it resembles", async () => {
    await files(...TWO_CLASSES, "val/d/1.jpg");
    expect((await failureOf("FILE_CORRUPT", () => listImageFolder(scratch()))).message).to.equal(
      `invalid class folders in ${scratch("val")}: expected the classes of ${scratch("train")}, received also d. ` +
        "Add training images of it or remove the folder.",
    );
    await files("train/d/1.jpg", "val/A/1.jpg");
    expect((await failureOf("FILE_CORRUPT", () => listImageFolder(scratch()))).message).to.include(
      "received also A. Rename A to a.",
    );
  });

  it("compares class names in one form of Unicode, which macOS and Linux write differently", async () => {
    const [composed, decomposed] = ["caf\u00e9", "cafe\u0301"];
    await files(`train/${composed}/1.jpg`, "train/tea/1.jpg", `val/${decomposed}/2.jpg`, "val/tea/1.jpg");
    const { classNames, test } = await listImageFolder(scratch());
    expect(classNames).to.deep.equal([composed, "tea"]);
    expect(test).to.deep.equal({ folder: scratch("val"), paths: [`${decomposed}/2.jpg`, "tea/1.jpg"], labels: [0, 1] });
    await files(`train/${decomposed}/3.jpg`);
    expect((await failureOf("FILE_CORRUPT", () => listImageFolder(scratch()))).message).to.include(
      `two folders ${composed}`,
    );
  });

  it("notices what several classes or both splits have through links", async () => {
    await files(...TWO_CLASSES, "train/a/2.jpg");
    await symlink(scratch("train", "a", "2.jpg"), scratch("train", "b", "2.jpg"));
    await symlink(scratch("train", "a"), scratch("val", "a", "more"));
    const listed = await listImageFolder(scratch());
    expect([listed.train?.paths.length, listed.test?.paths.length]).to.deep.equal([4, 4]);
    expect(noticesOf(listed)).to.deep.equal({ "shared-by-splits": [1, "train/a"],
      "shared-by-classes": [1, "train/a/2.jpg"] });
  });

  it("counts images with other endings by their content, and names those that are not decoded", async () => {
    await files(...TWO_CLASSES);
    const png = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
    await writeFiles(scratch("train"), { "a/2.bmp": png, "a/3.heif": png, "b/4.JPG_large": Buffer.from("x") });
    expect((await listImageFolder(scratch())).train?.paths).to.deep.equal(["a/1.jpg", "a/2.bmp", "a/3.heif", "b/1.jpg",
      "b/4.JPG_large"]);
    await files("train/b/5.tga", "train/b/6.j2k");
    const { message, valid } = await failureOf("FILE_UNSUPPORTED", () => listImageFolder(scratch()));
    expect(message).to.include("received 2 of another type, 5.tga first. Convert or remove them.");
    expect(valid).to.include(".jpg");
  });

  it("reports in a class without images what it found there instead", async () => {
    await files(...TWO_CLASSES, "train/c/notes.txt", "train/c/.DS_Store");
    const { message } = await failureOf("FILE_NOT_FOUND", () => listImageFolder(scratch()));
    expect(message).to.include("train/c: expected at least one image").and.include("notes.txt").and.include(
      ".DS_Store",
    );
  });

  it("names folders with names that are not UTF-8 instead of failing on them", async function () {
    if (process.platform !== "linux") this.skip();
    await files(...TWO_CLASSES);
    await mkdir(Buffer.concat([Buffer.from(`${scratch("train")}/c`), Buffer.from([0xe9])]));
    const listed = await listImageFolder(scratch());
    expect(listed.classNames).to.deep.equal(["a", "b"]);
    expect(noticesOf(listed)).to.deep.equal({ "invalid-name": [1, "train/c\uFFFD"] });
  });

  it("names classes that differ in case alone", async function () {
    await files(...TWO_CLASSES, "train/A/1.jpg");
    const listed = await listImageFolder(scratch());
    // Where the case does not count it is the same folder.
    if (listed.classNames.length === 2) this.skip();
    expect(noticesOf(listed)["similar-classes"]).to.deep.equal([1, "train/a"]);
  });
});

describe("the splits of an image folder", () => {
  const trees: readonly [what: string, folders: readonly string[], test: string, unused: string | undefined][] = [
    ["valid", ["train", "valid"], "valid", undefined],
    ["validation", ["train", "validation"], "validation", undefined],
    ["test", ["train", "test"], "test", undefined],
    ["val rather than test", ["train", "test", "val"], "val", "test"],
    ["valid rather than validation", ["train", "valid", "validation"], "valid", "validation"],
    ["names in capital letters", ["Train", "Test"], "Test", undefined],
    ["training and testing", ["training", "testing"], "testing", undefined],
  ];
  for (const [what, folders, test, unused] of trees) {
    it(`are understood: ${what}`, async () => {
      await files(...folders.flatMap((folder) => [`${folder}/a/1.jpg`, `${folder}/b/1.jpg`]));
      const listed = await listImageFolder(scratch());
      expect(listed.train?.folder).to.equal(scratch(folders[0] ?? ""));
      expect(listed.test?.folder).to.equal(scratch(test));
      expect(noticesOf(listed)).to.deep.equal(unused === undefined ? {} : { "unused-folder": [1, unused] });
    });
  }

  it("are not read if they are not needed, and may then be missing", async () => {
    await files("val/a/1.jpg", "val/b/1.jpg");
    const { train, test, classNames } = await listImageFolder(scratch(), { splits: ["test"] });
    expect([train, test?.paths, classNames]).to.deep.equal([undefined, ["a/1.jpg", "b/1.jpg"], ["a", "b"]]);
    // Folders without images name classes all the same.
    await mkdir(scratch("train", "aa"), { recursive: true });
    for (const name of ["a", "b"]) await mkdir(scratch("train", name));
    const named = await listImageFolder(scratch(), { splits: ["test"] });
    expect([named.classNames, named.test?.labels]).to.deep.equal([["a", "aa", "b"], [0, 2]]);
    const { message } = await failureOf("FILE_NOT_FOUND", () =>
      listImageFolder(scratch("val", "a"), {
        splits: ["train"],
      }));
    expect(message).to.include("received none");
  });

  it("are the folder itself if one is needed and it has folders of classes alone", async () => {
    await files("birds/a/1.jpg", "birds/b/1.jpg");
    const { test } = await listImageFolder(scratch("birds"), { splits: ["test"] });
    expect(test).to.deep.equal({ folder: scratch("birds"), paths: ["a/1.jpg", "b/1.jpg"], labels: [0, 1] });
  });

  it("have the classes that are known from a network, in its order, if these include all of theirs", async () => {
    await files("val/fox/1.jpg", "val/ant/1.jpg");
    const of = (...classNames: string[]): Promise<ImageFolder> =>
      listImageFolder(scratch(), { splits: ["test"], classNames });
    const known = await of("fox", "cow", "ant");
    expect([known.classNames, known.test?.paths, known.test?.labels])
      .to.deep.equal([["fox", "cow", "ant"], ["fox/1.jpg", "ant/1.jpg"], [0, 2]]);
    expect((await of("fox", "cow")).classNames).to.deep.equal(["ant", "fox"]);
  });

  const missing: Readonly<Record<string, { files: string[]; names: string; root?: string }>> = {
    "no folder": { files: [], names: "train/CLASS/*.jpg", root: "absent" },
    "no train and val": { files: ["images/a/1.jpg"], names: "received images" },
    "folders of classes alone": { files: ["a/1.jpg", "b/1.jpg"], names: "seem to be classes" },
    "the folder of a split": { files: ["train/a/1.jpg"], names: "pass the folder that contains it", root: "train" },
    "no val": { files: ["train/a/1.jpg", "train/b/1.jpg"], names: "val (or valid, validation, test)" },
    "a single class": { files: ["train/a/1.jpg", "val/a/1.jpg"], names: "at least 2 classes" },
    "no class folders": { files: ["train/1.jpg", "val/1.jpg"], names: "at least 2 classes" },
    "no test images": { files: ["train/a/1.jpg", "train/b/1.jpg", "val/a/x.txt"], names: "val: expected images" },
    "a class without images": { files: ["train/a/1.jpg", "train/b/notes.txt", "val/a/1.jpg", "val/b/1.jpg"],
      names: "train/b: expected at least one image" },
  };
  for (const [what, { files: names, names: named, root = "" }] of Object.entries(missing)) {
    it(`report what is missing: ${what}`, async () => {
      await files(...names);
      const { message } = await failureOf("FILE_NOT_FOUND", () => listImageFolder(scratch(root)));
      expect(message).to.include(named).and.not.include("ENOENT");
    });
  }
});

describe("a limit on a listing", () => {
  const listing = { folder: "f", paths: ["a1", "a2", "a3", "b1", "c1", "c2"], labels: [0, 0, 0, 1, 2, 2] };

  it("takes images in turn from each class, and keeps their order", () => {
    expect(limitListing(listing, 3)).to.deep.equal({ folder: "f", paths: ["a1", "b1", "c1"], labels: [0, 1, 2] });
    expect(limitListing(listing, 5)).to.deep.equal({ folder: "f", paths: ["a1", "a2", "b1", "c1", "c2"],
      labels: [0, 0, 1, 2, 2] });
  });

  it("changes nothing if there are no more", () => {
    expect(limitListing(listing, 6)).to.equal(listing);
    expect(limitListing(listing, undefined)).to.equal(listing);
  });
});
