import { mkdir, open, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { createDetector, type DetectedImage, type Detector, type SkippedImage,
  type DataNotice } from "../../../lib/index.js";
import { useDirectory } from "../../integration/helpers.js";
import { failureOf } from "../../support/errors.js";
import { hostileImages, type HostileImage } from "../../support/hostile-images.js";
import { picture } from "../../support/image-files.js";

const MIB = 2 ** 20;

describe("finding objects in untrusted files", () => {
  const directory = useDirectory();
  let detector: Detector;
  let files: readonly HostileImage[];
  const at = (name: string): string => join(directory.path, name);

  before(async () => {
    detector = await createDetector("retinanet-resnet18-fpn", { numClasses: 3,
      detection: { minSize: 32, maxSize: 32 } });
    files = await hostileImages();
    for (const { name, content } of files) await writeFile(at(name), content);
  });
  after(() => {
    detector.dispose();
  });

  it("names each that cannot be decoded, with its code and what to do", async () => {
    expect(files.length).to.be.above(20);
    for (const { name, code } of files) {
      const { message } = await failureOf(code, () => detector.detect(at(name))).catch((cause: unknown) => {
        throw new Error(name, { cause });
      });
      expect(message).to.include(at(name)).and.match(/\.$/);
      expect(message.length, message).to.be.below(600);
    }
  });

  it("does so for their content", async () => {
    for (const { name, code, content } of files)
      await failureOf(code, () => detector.detect(content)).catch((cause: unknown) => {
        throw new Error(name, { cause });
      });
  });

  it("skips them in a folder, with files that are too large, and passes folders and links to nowhere by", async () => {
    await writeFile(at("a-good.png"), await picture(40, 30).png().toBuffer());
    await mkdir(at("folder.png"));
    await symlink(at("nowhere"), at("link.jpg"));
    const sparse = await open(at("sparse.jpg"), "w");
    await sparse.truncate(300 * MIB);
    await sparse.close();

    const before = process.resourceUsage().maxRSS;
    for (const batchSize of [1, 4]) {
      const found: (DetectedImage | SkippedImage)[] = [];
      const notices: DataNotice[] = [];
      const onNotice = (notice: DataNotice): unknown => notices.push(notice);
      for await (const image of detector.detectAll(directory.path, { onDecodeError: "skip", batchSize, onNotice }))
        found.push(image);
      const names = [...files.map(({ name }) => name), "a-good.png", "sparse.jpg"].sort();
      expect(
        notices.filter(({ kind }) => kind !== "not-image").map(({ kind, count, example }) => [kind, count, example]),
      ).to.deep.equal([["image-named-folder", 1, at("folder.png")], ["broken-link", 1, at("link.jpg")]]);
      expect(found.map(({ path }) => path)).to.deep.equal(names.map(at));
      expect(found.filter(({ reason }) => reason === undefined).map(({ path }) => path)).to.deep.equal([
        at("a-good.png"),
      ]);
    }
    // Decoding a few small images; a bomb alone would take more.
    expect(1024 * (process.resourceUsage().maxRSS - before)).to.be.below(200 * MIB);
  });
});
