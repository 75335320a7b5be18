import { rename, rm } from "node:fs/promises";
import { expect } from "chai";
import { createDetector, createSession, type Dataset, loadDataset, type LoadProgress,
  runExperiment } from "../../../../lib/index.js";
import { failureOf } from "../../../support/errors.js";
import { picture, writeFiles } from "../../../support/image-files.js";
import { numberPng } from "../../../support/number-png.js";
import { valuesOf } from "../../../support/numeric.js";
import { scratchDirectory } from "../../lib/small-run.js";

const scratch = scratchDirectory();

const CATEGORIES = [{ id: 3, name: "cup" }, { id: 8, name: "fork" }];

interface CocoFile {
  readonly images: readonly { readonly id: number; readonly file_name: string; readonly width: number;
    readonly height: number }[];
  readonly annotations: readonly object[];
  readonly categories: readonly object[];
}

const image = (id: number) => ({ id, file_name: `${id}.png`, width: 30 + id, height: 24 });
const cup = (id: number, image_id: number, more: object = {}) => ({ id, image_id, category_id: 3, bbox: [2, 3, 10, 12],
  area: 120, iscrowd: 0, segmentation: [[2, 3, 12, 3, 12, 15, 2, 15]], ...more });
const crowd = (id: number, image_id: number) =>
  cup(id, image_id, { iscrowd: 1,
    segmentation: { size: [24, 30 + image_id], counts: [10, 5, 24 * (30 + image_id) - 15] } });

/** Images 1 and 2 have a cup, 3 has a crowd alone, 4 is empty. */
const usual = (first: number): CocoFile => ({ images: [1, 2, 3, 4].map(image), categories: CATEGORIES,
  annotations: [cup(first, 1), cup(first + 1, 2), crowd(first + 2, 3)] });

async function writeCoco(train = usual(1), val = usual(10)): Promise<string> {
  const pictures = await Promise.all(
    [1, 2, 3, 4].map(async (id) => [`${id}.png`, await picture(30 + id, 24, id).png().toBuffer()] as const),
  );
  await writeFiles(scratch(), {
    ...Object.fromEntries(
      pictures.flatMap(([name, bytes]) => [[`train2017/${name}`, bytes], [`val2017/${name}`, bytes]]),
    ),
    "annotations/instances_train2017.json": Buffer.from(JSON.stringify(train)),
    "annotations/instances_val2017.json": Buffer.from(JSON.stringify(val)),
  });
  return scratch();
}

const objectXml = (name: string): string =>
  `<object><name>${name}</name><difficult>0</difficult><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>12</xmax><ymax>15</ymax></bndbox></object>`;

async function writeVoc(sets: Readonly<Record<"train" | "val", readonly string[]>>): Promise<string> {
  const files: Record<string, Uint8Array> = {};
  for (const [set, names] of Object.entries(sets)) {
    files[`ImageSets/Main/${set}.txt`] = Buffer.from(names.map((_, i) => `${set}${i}`).join("\n"));
    for (const [i, name] of names.entries()) {
      files[`JPEGImages/${set}${i}.jpg`] = await picture(40, 30, i).jpeg().toBuffer();
      files[`Annotations/${set}${i}.xml`] = Buffer.from(
        `<annotation><size><width>40</width><height>30</height><depth>3</depth></size>${objectXml(name)}</annotation>`,
      );
    }
  }
  await writeFiles(scratch(), files);
  return scratch();
}

/** Images of one epoch of a small detector. */
async function trainedImages(data: Dataset): Promise<number> {
  using detector = await createDetector("retinanet-resnet18-fpn", { numClasses: data.numClasses,
    detection: { minSize: 32, maxSize: 32 } });
  using session = await createSession({ model: detector, threads: 1, optimizer: { kind: "sgd", learningRate: 1e-4 } });
  return (await session.trainEpoch(data, { epoch: 0, epochs: 1, batchSize: 2 })).images;
}

async function evaluatedImages(data: Dataset): Promise<number> {
  using detector = await createDetector("retinanet-resnet18-fpn", { numClasses: data.numClasses,
    detection: { minSize: 32, maxSize: 32 } });
  return (await detector.evaluate(data.test, { batchSize: 2 })).samples;
}

describe("loadDataset with annotations of COCO", () => {
  const load = async (more: object = {}) => loadDataset({ kind: "coco", root: scratch(), ...more });

  it("trains on images with objects, and tests on all", async () => {
    await writeCoco();
    using data = await load();
    expect(data.classNames).to.deep.equal(["cup", "fork"]);
    expect([data.train.size, data.test.size]).to.deep.equal([2, 4]);
    expect(data.test.imageShape).to.deep.equal([3, 24, 34]);
    expect(await trainedImages(data)).to.equal(2);
    expect(await evaluatedImages(data)).to.equal(4);
  });

  it("reports how much of each file is read, also as events of a run, and can be stopped", async () => {
    const root = await writeCoco();
    const progress: LoadProgress[] = [];
    const source = { kind: "coco", root } as const;
    using data = await loadDataset(source, { onProgress: (report) => progress.push(report) });
    expect(data.train.size).to.equal(2);
    const files = ["train2017", "val2017"].map((name) => scratch("annotations", `instances_${name}.json`));
    expect([...new Set(progress.map(({ path }) => path))]).to.deep.equal(files);
    for (const { unit, done, total } of progress) expect([unit, done <= total]).to.deep.equal(["bytes", true]);
    await failureOf("ABORTED", () => loadDataset(source, { signal: AbortSignal.abort() }));

    const events: string[] = [];
    const model = { name: "retinanet-resnet18-fpn", detection: { minSize: 32, maxSize: 32 } };
    for await (const { type } of runExperiment({ task: "train", model, data: source, training: { epochs: 1 } })) {
      events.push(type);
      if (type === "start") break;
    }
    expect([...new Set(events)]).to.deep.equal(["loading", "start"]);
  });

  it("takes the first images if their number is limited", async () => {
    await writeCoco();
    using data = await load({ limitTrain: 1, limitTest: 3 });
    expect([data.train.size, data.test.size]).to.deep.equal([1, 3]);
  });

  it("takes folders and files from elsewhere", async () => {
    await writeCoco();
    using data = await loadDataset({ kind: "coco", images: { train: scratch("train2017"), val: scratch("val2017") },
      annotations: { train: scratch("annotations", "instances_train2017.json"),
        val: scratch("annotations", "instances_val2017.json") } });
    expect(data.train.size).to.equal(2);
    await failureOf("INVALID_ARGUMENT", () => load({ images: scratch("train2017") }));
  });

  it("names a broken image, or skips and counts it", async () => {
    await writeCoco();
    await writeFiles(scratch(), { "train2017/1.png": Buffer.from("no image"), "val2017/2.png": Buffer.from([137]) });
    using strict = await load();
    const { message } = await failureOf("FILE_CORRUPT", () => trainedImages(strict));
    expect(message).to.include(scratch("train2017", "1.png")).and.include("skip");

    using lenient = await load({ onDecodeError: "skip" });
    // Another image takes its place, because the steps of an epoch are fixed; an evaluation leaves it out.
    expect(await trainedImages(lenient)).to.equal(2);
    expect(await evaluatedImages(lenient)).to.equal(3);
    expect(lenient.brokenImages.map(({ split, path }) => [split, path])).to.deep.equal([
      ["train", scratch("train2017", "1.png")],
      ["test", scratch("val2017", "2.png")],
    ]);
  });

  it("reads one split alone if the other is not needed, and it may then be missing", async () => {
    await writeCoco();
    await rm(scratch("train2017"), { recursive: true });
    await rm(scratch("annotations", "instances_train2017.json"));
    using data = await loadDataset({ kind: "coco", root: scratch() }, { splits: ["test"] });
    expect([data.train.size, data.test.size, data.classNames.length]).to.deep.equal([0, 4, CATEGORIES.length]);
    await failureOf("FILE_NOT_FOUND", () => load());
  });

  it("reports a folder of images that is missing or a file before it trains", async () => {
    await writeCoco();
    const annotations = { train: scratch("annotations", "instances_train2017.json"),
      val: scratch("annotations", "instances_val2017.json") };
    for (const images of [scratch("none"), annotations.train]) {
      const { message } = await failureOf("FILE_NOT_FOUND", () => loadDataset({ kind: "coco", images, annotations }));
      expect(message).to.include(images).and.not.include("ENOENT");
    }
  });

  it("finds images whose names the disk has in another form of Unicode", async () => {
    const [composed, decomposed] = ["caf\u00e9.png", "cafe\u0301.png"];
    await writeCoco({ ...usual(1), images: [1, 2, 3, 4].map((id) => ({ ...image(id), ...(id === 1 && {
      file_name: composed,
    }) })) });
    await rename(scratch("train2017", "1.png"), scratch("train2017", decomposed));
    using data = await load();
    expect(await trainedImages(data)).to.equal(2);
  });

  it("names an image that does not exist", async () => {
    await writeCoco();
    await rm(scratch("train2017", "2.png"));
    using data = await load();
    const { message } = await failureOf("FILE_NOT_FOUND", () => trainedImages(data));
    expect(message).to.include("2.png").and.include("does not exist");
  });

  it("refuses a training of which no image can be read", async () => {
    await writeCoco();
    await writeFiles(scratch(), { "train2017/1.png": Buffer.from(""), "train2017/2.png": Buffer.from("") });
    using data = await load({ onDecodeError: "skip" });
    const { message } = await failureOf("FILE_CORRUPT", () => trainedImages(data));
    expect(message).to.include("any of the 2 images");
  });

  it("refuses a picture of another size than its annotations", async () => {
    await writeCoco();
    await writeFiles(scratch(), { "train2017/1.png": await picture(10, 10).png().toBuffer() });
    using data = await load();
    const { message } = await failureOf("SHAPE_MISMATCH", () => trainedImages(data));
    expect(message).to.include("1.png");
  });

  it("refuses other categories in the test annotations, which would be scored wrongly", async () => {
    await writeCoco(usual(1), { ...usual(10), categories: [CATEGORIES[0]!, { id: 8, name: "spoon" }] });
    const { message } = await failureOf("INVALID_ARGUMENT", () => load());
    expect(message).to.include("8 fork").and.include("8 spoon").and.include("instances_val2017.json");
  });

  it("refuses a training set without objects, of crowds alone or of no images", async () => {
    for (const annotations of [[], [crowd(1, 3)]]) {
      await writeCoco({ ...usual(1), annotations });
      expect((await failureOf("INVALID_ARGUMENT", () => load())).message).to.include("images with objects");
    }
  });

  it("refuses boxes without an area, or drops them", async () => {
    await writeCoco({ ...usual(1), annotations: [cup(1, 1), cup(2, 2, { bbox: [5, 5, 0, 4] })] });
    await failureOf("FILE_CORRUPT", () => load());
    using data = await load({ invalidBoxes: "drop" });
    expect(data.train.size).to.equal(1);
  });

  it("refuses passes after it was disposed", async () => {
    await writeCoco();
    const data = await load();
    data.dispose();
    await failureOf("DISPOSED", () => evaluatedImages(data));
  });
});

describe("loadDataset with annotations of Pascal VOC", () => {
  it("has the classes of the training set in both splits", async () => {
    const root = await writeVoc({ train: ["dog", "cat"], val: ["cat"] });
    using data = await loadDataset({ kind: "voc", root });
    expect(data.classNames).to.deep.equal(["cat", "dog"]);
    expect([data.train.size, data.test.size]).to.deep.equal([2, 1]);
    expect(await trainedImages(data)).to.equal(2);
    expect(await evaluatedImages(data)).to.equal(1);
  });

  it("reads one set alone, with the classes of the network, or else of both sets as far as they are there", async () => {
    const root = await writeVoc({ train: ["dog", "cat"], val: ["cat"] });
    const classesOf = async (classNames?: string[]): Promise<readonly [number, readonly string[], number]> => {
      using data = await loadDataset({ kind: "voc", root }, { splits: ["test"], classNames });
      return [data.train.size, data.classNames, data.test.size];
    };
    expect(await classesOf(["emu", "cat", "dog"])).to.deep.equal([0, ["emu", "cat", "dog"], 1]);
    expect(await classesOf(["emu", "dog"])).to.deep.equal([0, ["cat", "dog"], 1]);
    await rm(scratch("ImageSets", "Main", "train.txt"));
    expect(await classesOf()).to.deep.equal([0, ["cat"], 1]);
  });

  it("takes images for images, whatever files are next to them", async () => {
    const root = await writeVoc({ train: ["dog", "dog"], val: ["dog"] });
    for (const name of ["train0.xml", "train0.txt", "._train0.jpg", "train0.heic"])
      await writeFiles(root, { [`JPEGImages/${name}`]: Buffer.from("x") });
    using data = await loadDataset({ kind: "voc", root });
    expect(await trainedImages(data)).to.equal(2);
  });

  it("has masks if they should be read, of the images that have them", async () => {
    const root = await writeVoc({ train: ["cup", "cup"], val: ["cup"] });
    // Less than the box, which is 10 × 12 pixels.
    const numbers = Array.from({ length: 40 * 30 },
      (_, at) => Number(at % 40 >= 2 && at % 40 < 7 && at >= 120 && at < 600));
    const masks = numberPng(numbers, 40, 30);
    await writeFiles(root, { "SegmentationObject/train1.png": masks, "SegmentationObject/val0.png": masks,
      "ImageSets/Segmentation/train.txt": Buffer.from("train1"),
      "ImageSets/Segmentation/val.txt": Buffer.from("val0") });
    using data = await loadDataset({ kind: "voc", root, masks: true });
    expect([data.train.size, data.test.size]).to.deep.equal([1, 1]);
    for await (const { targets } of data.train.batches({ augment: false }))
      expect(valuesOf(targets[0]!.masks!)).to.deep.equal(numbers);
  });

  it("has the classes of both sets, unless names are given", async () => {
    const root = await writeVoc({ train: ["dog", "cup"], val: ["cat"] });
    using data = await loadDataset({ kind: "voc", root });
    expect([data.classNames, data.categoryIds]).to.deep.equal([["cat", "cup", "dog"], [1, 2, 3]]);
    const labels = [];
    for await (const { targets } of data.train.batches({ shuffle: false }))
      labels.push(...targets.flatMap((target) => valuesOf(target.labels)));
    expect(labels.sort()).to.deep.equal([2, 3]);
    const { message } = await failureOf("FILE_CORRUPT",
      () => loadDataset({ kind: "voc", root, classNames: ["dog", "cup"] }));
    expect(message).to.include("Not among them: cat.");
  });
});
