import { join } from "node:path";
import { expect } from "chai";
import { listImages } from "../../../lib/index.js";
import { useDirectory } from "../../integration/helpers.js";
import { failureOf } from "../../support/errors.js";
import { writeFiles } from "../../support/image-files.js";

describe("listImages", () => {
  const directory = useDirectory();
  const nothing = new Uint8Array(1);

  it("lists the images below a folder by name, without hidden ones and other files", async () => {
    const root = join(directory.path, "photos");
    await writeFiles(root, { "b.JPG": nothing, "a/2.png": nothing, "a/1.webp": nothing, "notes.txt": nothing,
      ".hidden.jpg": nothing, ".thumbnails/b.jpg": nothing, "c.heic": nothing });
    expect(await listImages(root)).to.deep.equal(
      ["a/1.webp", "a/2.png", "b.JPG", "c.heic"].map((name) => join(root, name)),
    );
  });

  it("keeps the order of several paths, and files of any name as they are", async () => {
    const root = join(directory.path, "mixed");
    await writeFiles(root, { "folder/1.jpg": nothing, "photo": nothing });
    const [folder, photo] = [join(root, "folder"), join(root, "photo")];
    expect(await listImages([photo, folder])).to.deep.equal([photo, join(folder, "1.jpg")]);
  });

  it("names a path that is missing, a folder without images, and a wrong argument", async () => {
    const empty = join(directory.path, "empty");
    await writeFiles(empty, { "notes.txt": nothing });
    expect((await failureOf("FILE_NOT_FOUND", () => listImages(join(empty, "none")))).message).to.include(
      "Check the path.",
    );
    expect((await failureOf("FILE_NOT_FOUND", () => listImages(empty))).message).to.include(
      "expected at least one image",
    );
    await failureOf("INVALID_ARGUMENT", () => listImages([]));
    await failureOf("INVALID_ARGUMENT", () => listImages(7 as never));
  });
});
