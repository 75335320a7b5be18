import { expect } from "chai";
import { readVocAnnotations } from "../../../../lib/datasets/detection/voc/read-voc.js";
import { masks, type ErrorCode } from "../../../../lib/index.js";
import { failureOf } from "../../../support/errors.js";
import { writeFiles } from "../../../support/image-files.js";
import { numberPng } from "../../../support/number-png.js";
import { scratchDirectory } from "../../lib/small-run.js";

const scratch = scratchDirectory();

const SIZE = "<size><width>50</width><height>40</height><depth>3</depth></size>";

function objectXml(name: string, bounds: readonly (number | string)[], rest = ""): string {
  const [xmin, ymin, xmax, ymax] = bounds;
  return `<object><name>${name}</name>${rest}<bndbox><xmin>${xmin}</xmin><ymin>${ymin}</ymin><xmax>${xmax}</xmax><ymax>${ymax}</ymax></bndbox></object>`;
}

const annotationXml = (...parts: readonly string[]): string =>
  `<?xml version="1.0"?>\n<annotation>${parts.join("\n")}</annotation>`;

/** A data set of images whose annotation files are given by name; their pixels are never read. */
async function writeVoc(xml: Readonly<Record<string, string | Uint8Array>>,
  set = Object.keys(xml).join("\n")): Promise<string> {
  const names = Object.keys(xml);
  await writeFiles(scratch(), {
    "ImageSets/Main/train.txt": Buffer.from(set),
    ...Object.fromEntries(names.map((name) => [`JPEGImages/${name}.jpg`, Buffer.from("x")])),
    ...Object.fromEntries(names.map((name) => [`Annotations/${name}.xml`, Buffer.from(xml[name]!)])),
  });
  return scratch();
}

describe("Pascal VOC's annotations", () => {
  it("count pixels from 0, without the last pixel's extra 1, and sort their classes", async () => {
    const root = await writeVoc({
      "2008_01": annotationXml("<folder>x</folder>", SIZE,
        objectXml("person", [1, 1, 50, 40], "<difficult>1</difficult>"),
        objectXml("cat", [11, 6.5, 20, 30], "<pose>Left</pose><difficult>0</difficult>")),
      "2008_02": annotationXml(SIZE),
    }, "2008_02 -1\r\n2008_01  1\r\n\r\n");
    const annotations = await readVocAnnotations(root);
    expect(annotations.categories).to.deep.equal([{ id: 1, name: "cat" }, { id: 2, name: "person" }]);
    expect([0, 1].map((index) => annotations.image(index))).to.deep.equal([
      { id: 1, fileName: "2008_02.jpg", width: 50, height: 40 },
      { id: 2, fileName: "2008_01.jpg", width: 50, height: 40 },
    ]);
    expect(annotations.report.emptyImages).to.equal(1);
    const { segmentation, ...lists } = annotations.of(1);
    expect(lists).to.deep.equal({ count: 2, ids: Float64Array.of(1, 2), categories: Int32Array.of(1, 0),
      boxes: Float64Array.of(0, 0, 50, 40, 10, 5.5, 20, 30),
      annotatedBoxes: Float64Array.of(0, 0, 50, 40, 10, 5.5, 10, 24.5), areas: Float64Array.of(2000, 245),
      crowd: Uint8Array.of(0, 0), difficult: Uint8Array.of(1, 0) });
    expect(segmentation(0)).to.equal(undefined);
  });

  it("ignore the boxes of an object's parts", async () => {
    const part =
      "<part><name>head</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>3</xmax><ymax>3</ymax></bndbox></part>";
    const annotations = await readVocAnnotations(
      await writeVoc({ a: annotationXml(SIZE, objectXml("person", [5, 5, 9, 9], part)) }),
    );
    expect([...annotations.of(0).boxes]).to.deep.equal([4, 4, 9, 9]);
  });

  it("have the classes that are given, in their order, and no others", async () => {
    const root = await writeVoc({ a: annotationXml(SIZE, objectXml("cat", [5, 5, 9, 9])) });
    const annotations = await readVocAnnotations(root, { classNames: ["dog", "cat"] });
    expect(annotations.categories.map(({ name }) => name)).to.deep.equal(["dog", "cat"]);
    expect([...annotations.of(0).categories]).to.deep.equal([1]);
    const { message } = await failureOf("FILE_CORRUPT", () => readVocAnnotations(root, { classNames: ["dog"] }));
    expect(message).to.equal(`invalid name of object 1 in ${scratch("Annotations", "a.xml")}: expected one of dog, ` +
      'received "cat". Pass classNames with all classes of both sets, or correct the files. Not among them: cat.');
    await failureOf("INVALID_ARGUMENT", () => readVocAnnotations(root, { classNames: ["cat", "cat"] }));
  });

  it("leave out boxes without area if they should, and count them", async () => {
    const root = await writeVoc({
      a: annotationXml(SIZE, objectXml("cat", [5, 5, 3, 9]), objectXml("cat", [5, 5, 5, 5])),
    });
    const { message } = await failureOf("FILE_CORRUPT", () => readVocAnnotations(root));
    expect(message).to.include(`invalid box of annotation 1 of image 1 in ${scratch("Annotations", "a.xml")}`);
    const annotations = await readVocAnnotations(root, { invalidBoxes: "drop" });
    // A box of one pixel has an area.
    expect([annotations.report.droppedBoxes, ...annotations.of(0).boxes]).to.deep.equal([1, 4, 4, 5, 5]);
  });

  it("stop when their signal says so", async () => {
    const root = await writeVoc({ a: annotationXml(SIZE) });
    await failureOf("ABORTED", () => readVocAnnotations(root, { signal: AbortSignal.abort() }));
  });

  const box = objectXml("cat", [1, 1, 9, 9]);
  const HOSTILE: readonly (readonly [what: string, code: ErrorCode, content: string | Uint8Array, says: string])[] = [
    ["an empty file", "FILE_CORRUPT", "", "Root element is missing"],
    ["a truncated file", "FILE_CORRUPT", annotationXml(SIZE, box).slice(0, 150), "expected XML"],
    ["a pointer of Git LFS", "FILE_CORRUPT", "version https://git-lfs.github.com/spec/v1", "expected XML"],
    ["another document", "FILE_UNSUPPORTED", "<html><body/></html>", "the element <annotation>, received <html>"],
    ["UTF-16", "FILE_UNSUPPORTED", Buffer.from(`\uFEFF${annotationXml(SIZE)}`, "utf16le"), "received another encoding"],
    ["an external entity", "FILE_CORRUPT",
      `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>${annotationXml(SIZE, objectXml("&x;", [1, 1, 2, 2])).slice(22)}`, "Named entity isn't defined: &x;"],
    ["entities that would expand to a billion", "FILE_CORRUPT",
      `<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>${annotationXml(objectXml("&b;", [1, 1, 2, 2])).slice(22)}`, "Named entity isn't defined: &b;"],
    ["100,000 levels", "FILE_UNSUPPORTED", "<annotation>".repeat(80_000), "few levels of elements"],
    ["two megabytes", "FILE_UNSUPPORTED", annotationXml(" ".repeat(2 ** 21)), "at most 1048576 bytes"],
    ["no size", "FILE_CORRUPT", annotationXml(box), "expected width and height, received no <size>"],
    ["a width of 0", "FILE_CORRUPT", annotationXml(SIZE.replace("50", "0"), box), "from 1 to 65535, received 0"],
    ["a width of 10^9", "FILE_CORRUPT", annotationXml(SIZE.replace("50", "1e9"), box), "received 1000000000"],
    ["a width that is text", "FILE_CORRUPT", annotationXml(SIZE.replace("50", "wide"), box), 'received "wide"'],
    ["a width that is empty", "FILE_CORRUPT", annotationXml(SIZE.replace("50", " "), box),
      'a finite number, received ""'],
    ["an object without a box", "FILE_CORRUPT", annotationXml(SIZE, "<object><name>x</name></object>"), "no <bndbox>"],
    ["an object without a name", "FILE_CORRUPT", annotationXml(SIZE, box.replace("cat", " ")),
      "invalid name of object 1"],
    ["a corner that is missing", "FILE_CORRUPT", annotationXml(SIZE, box.replace("<xmax>9</xmax>", "")),
      "invalid xmax of object 1"],
    ["a corner that is infinite", "FILE_CORRUPT", annotationXml(SIZE, objectXml("cat", [1, 1, "1e999", 9])),
      'received "1e999"'],
    ["a flag that is none", "FILE_CORRUPT",
      annotationXml(SIZE, objectXml("cat", [1, 1, 9, 9], "<difficult>yes</difficult>")), "invalid difficult"],
  ];

  for (const [what, code, content, says] of HOSTILE) {
    it(`refuse ${what}`, async () => {
      const root = await writeVoc({ good: annotationXml(SIZE, box), bad: content });
      const { message } = await failureOf(code, () => readVocAnnotations(root));
      expect(message).to.include(says).and.include(scratch("Annotations", "bad.xml"));
      expect(message, "a short message with a fix").to.match(/^[^.].{20,600}\.$/s);
    });
  }

  it("name the file that is missing", async () => {
    const read = (): Promise<unknown> => readVocAnnotations(scratch());
    expect((await failureOf("FILE_NOT_FOUND", read)).message).to.include(scratch("ImageSets", "Main", "train.txt"));
    await writeVoc({ a: annotationXml(SIZE) }, "a\nb");
    expect((await failureOf("FILE_NOT_FOUND", read)).message).to.include(
      'one of the images in JPEGImages, received "b"',
    );
    await writeVoc({ a: annotationXml(SIZE) }, "../a");
    expect((await failureOf("FILE_NOT_FOUND", read)).message).to.include('received "../a"');
    await writeVoc({ a: annotationXml(SIZE) }, "a\na");
    expect((await failureOf("FILE_CORRUPT", read)).message).to.include("expected each image once, received a twice");
    await writeFiles(scratch(), { "JPEGImages/c.jpg": Buffer.from("x"), "ImageSets/Main/val.txt": Buffer.from("c") });
    expect((await failureOf("FILE_NOT_FOUND", () => readVocAnnotations(scratch(), { set: "val" }))).message).to.include(
      scratch("Annotations", "c.xml"),
    );
  });
});

describe("Pascal VOC's annotations with masks", () => {
  const small = "<size><width>4</width><height>2</height></size>";
  const objects = [objectXml("cat", [1, 1, 2, 2]), objectXml("dog", [3, 1, 4, 2])];
  // The second object's pixels are two of its box's four.
  const numbers = [1, 1, 255, 2, 1, 1, 0, 2];

  async function writeMasks(files: Readonly<Record<string, Uint8Array>>, listed: string): Promise<string> {
    const root = await writeVoc({ a: annotationXml(small, ...objects), b: annotationXml(small) });
    await writeFiles(root, { "ImageSets/Segmentation/train.txt": Buffer.from(listed), ...files });
    return root;
  }

  it("are those of the images that have them, with the area of each mask", async () => {
    const root = await writeMasks({ "SegmentationObject/a.png": numberPng(numbers, 4, 2) }, "a\n");
    const annotations = await readVocAnnotations(root, { masks: true });
    expect([annotations.imageCount, annotations.image(0).fileName, annotations.hasOutlines]).to.deep.equal([1, "a.jpg",
      true]);
    const { areas, annotatedBoxes, segmentation } = annotations.of(0);
    expect([...areas]).to.deep.equal([4, 2]);
    expect([...annotatedBoxes]).to.deep.equal([0, 0, 2, 2, 2, 0, 2, 2]);
    const outlines = [0, 1].map((position) => segmentation(position)!);
    const pixels = await Promise.all(outlines.map(async (outline) => {
      if (outline.kind !== "rle") throw new Error("expected a mask");
      return [...(await masks.decode({ size: [...outline.rle.size], counts: outline.rle.counts })).toTypedArray()];
    }));
    expect(pixels).to.deep.equal([[1, 1, 0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 0, 0, 0, 1]]);
  });

  it("are not read unless they should be", async () => {
    const root = await writeMasks({}, "a");
    const annotations = await readVocAnnotations(root);
    expect([annotations.imageCount, annotations.hasOutlines]).to.deep.equal([2, false]);
  });

  it("name the file that is missing or damaged, and the object without pixels", async () => {
    const read = (options: object = {}): Promise<unknown> => readVocAnnotations(scratch(), { masks: true, ...options });
    await writeVoc({ a: annotationXml(small) });
    expect((await failureOf("FILE_NOT_FOUND", read)).message).to.include(
      scratch("ImageSets", "Segmentation", "train.txt"),
    );
    await writeMasks({}, "a");
    expect((await failureOf("FILE_NOT_FOUND", read)).message).to.include(scratch("SegmentationObject", "a.png"))
      .and.include("SegmentationObject/NAME.png");
    await writeMasks({ "SegmentationObject/a.png": Buffer.alloc(2 ** 22 + 1) }, "a");
    expect((await failureOf("FILE_UNSUPPORTED", read)).message).to.include("at most 4194304 bytes");
    await writeMasks({ "SegmentationObject/a.png": numberPng(numbers, 2, 4) }, "a");
    expect((await failureOf("FILE_CORRUPT", read)).message).to.include(scratch("SegmentationObject", "a.png"))
      .and.include("expected 4×2");
    await writeMasks({
      "SegmentationObject/a.png": numberPng(numbers.map((number) => number === 2 ? 0 : number), 4, 2),
    }, "a");
    expect((await failureOf("FILE_CORRUPT", read)).message).to.include(
      `invalid mask of annotation 2 of image 1 in ${scratch("Annotations", "a.xml")}: expected at least one pixel, received none.`,
    );
  });

  it("leave out objects without pixels if they should, and count them", async () => {
    const root = await writeMasks({ "SegmentationObject/a.png": numberPng(new Array<number>(8).fill(2), 4, 2) }, "a");
    const annotations = await readVocAnnotations(root, { masks: true, invalidBoxes: "drop" });
    expect([annotations.count, annotations.report.droppedOutlines, [...annotations.of(0).areas]]).to.deep.equal([1, 1, [
      8,
    ]]);
    expect(annotations.report.examples[0]).to.match(/^invalid mask of annotation 1 of image 1/);
  });

  it("report how many images are done", async () => {
    const root = await writeVoc({ a: annotationXml(small), b: annotationXml(small) });
    const progress: unknown[] = [];
    await readVocAnnotations(root, { onProgress: (done) => progress.push(done) });
    expect(progress.at(-1)).to.deep.equal({ images: 2, totalImages: 2 });
  });
});
