import { writeFile } from "node:fs/promises";
import { expect } from "chai";
import sharp from "sharp";
import { hasDecodedContent, typeByName } from "../../../lib/images/image-types.js";
import { picture } from "../../support/image-files.js";
import { scratchDirectory } from "../lib/small-run.js";

describe("the type of a file", () => {
  const scratch = scratchDirectory();

  it("follows from its ending, in any case, also if a web site has added to it", () => {
    const types: readonly [type: ReturnType<typeof typeByName>, names: readonly string[]][] = [
      ["decoded", ["a.jpg", "a.JPEG", "a.jfif", "a.jpe", "a.b.webp", "a.avif", "a.TIF", "a.jpg_large", "a.PNG!d",
        "a.jpg?w=30", "a.jpeg:orig"]],
      ["undecoded", ["a.bmp", "a.heic", "a.HEIF", "a.hif", "a.j2k", "a.tga", "a.svg", "a.dng", "a.bmp_old"]],
      ["other", ["a.txt", "jpg", "a", "a.jpg.bak", "a.jpg~", "a.jpgx", "a.mp4", ".jpg"]],
    ];
    for (const [type, names] of types) for (const name of names) expect(typeByName(name), name).to.equal(type);
  });

  it("follows from its content for what sharp decodes", async () => {
    const image = picture(20, 20);
    const encoded = { jpeg: image.jpeg(), png: image.png(), webp: image.webp(), gif: image.gif(), tiff: image.tiff(),
      avif: image.avif() };
    for (const [name, file] of Object.entries(encoded)) {
      await writeFile(scratch("image"), await file.toBuffer());
      expect(await hasDecodedContent(scratch("image")), name).to.equal(true);
    }
    const others = { nothing: "", text: "P6\n2 2\n255\n", bitmap: "BM\0\0\0\0\0\0", svg: "<svg/>",
      heic: "\0\0\0\x18ftypheic\0\0\0\0",
      raw: await sharp(Buffer.alloc(48), { raw: { width: 4, height: 4, channels: 3 } }).raw().toBuffer() };
    for (const [name, content] of Object.entries(others)) {
      await writeFile(scratch("other"), content);
      expect(await hasDecodedContent(scratch("other")), name).to.equal(false);
    }
  });
});
