import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { evaluateDetections, masks, type CocoAnnotation, type CocoDetection, type CocoGroundTruth, type ErrorCode,
  type EvaluateDetectionsOptions } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { expectNear } from "../../support/numeric.js";

// A sum of at most 1,010 values.
const ROUNDING = 1e-13;

const BOX = [10, 10, 20, 20];
const AWAY = [60, 60, 20, 20];

function annotation(id: number, fields: Partial<CocoAnnotation> = {}): CocoAnnotation {
  return { id, image_id: 1, category_id: 7, bbox: BOX, area: 400, iscrowd: 0, ...fields };
}

function detection(score: number, fields: Partial<CocoDetection> = {}): CocoDetection {
  return { image_id: 1, category_id: 7, bbox: BOX, score, ...fields };
}

function truths(...annotations: CocoAnnotation[]): CocoGroundTruth {
  return { images: [{ id: 2, height: 100, width: 100 }, { id: 1, height: 100, width: 100 }],
    categories: [{ id: 90 }, { id: 7 }], annotations };
}

const perfect = { groundTruth: truths(annotation(1)), detections: [detection(0.9)] as readonly CocoDetection[],
  kind: "bbox" as const };

describe("evaluateDetections", () => {
  it("gives 1 for perfect detections, and -1 where no truth counts", async () => {
    const { stats, perCategory, precision, recall, scores } = await evaluateDetections(perfect);
    // Precision is 1 / (1 + 2^-52).
    expectNear(stats.ap, 1, ROUNDING, "ap");
    expect(stats.ar1).to.equal(1);
    expect(stats.apLarge).to.equal(-1);
    expect(perCategory.map(({ id }) => id)).to.deep.equal([7, 90]);
    expect(perCategory[0]!.recallPerIou).to.deep.equal(Array(10).fill(1));
    expect(perCategory[1]!.ap).to.equal(-1);
    expect(precision.shape).to.deep.equal([10, 101, 2, 4, 3]);
    expect(recall.shape).to.deep.equal([10, 2, 4, 3]);
    expect(scores.toTypedArray()[2]).to.equal(0.9);
  });

  it("reads precision at 101 recalls", async () => {
    // Right, wrong, right; a third truth is missed.
    const { stats } = await evaluateDetections({
      groundTruth: truths(annotation(1), annotation(2, { image_id: 2 }), annotation(3, { image_id: 2, bbox: AWAY })),
      detections: [detection(0.7, { image_id: 2 }), detection(0.8, { bbox: AWAY }), detection(0.9)],
      kind: "bbox",
    });
    expectNear(stats.ap, (34 + 33 * (2 / 3)) / 101, ROUNDING, "ap");
  });

  it("allows no detections", async () => {
    const { stats } = await evaluateDetections({ ...perfect, detections: [] });
    expect([stats.ap, stats.ar100]).to.deep.equal([0, 0]);
  });

  it("takes no crowd where iscrowd is missing, and none of the field ignore", async () => {
    const groundTruth = truths({ ...annotation(1, { iscrowd: undefined }), ignore: 1 } as CocoAnnotation);
    const { stats } = await evaluateDetections({ ...perfect, groundTruth });
    expect(stats.ar1).to.equal(1);
  });

  it("matches the annotation with id 0, or repeats the reference's mistake", async () => {
    const zero = { ...perfect, groundTruth: truths(annotation(0)) };
    expect((await evaluateDetections(zero)).stats.ar1).to.equal(1);
    expect((await evaluateDetections({ ...zero, idZeroAsReference: true })).stats.ar1).to.equal(0);
  });

  it("compares masks in each of COCO's forms", async () => {
    const polygons = [[10, 10, 30, 10, 30, 30, 10, 30]];
    const text = await masks.fromPolygons(polygons, 100, 100);
    const forms = [polygons, text, await masks.decompress(text)];
    for (const segmentation of forms) {
      for (const found of forms) {
        const { stats } = await evaluateDetections({ groundTruth: truths(annotation(1, { segmentation })),
          detections: [detection(0.9, { bbox: undefined, segmentation: found })], kind: "segm" });
        expect(stats.ar1).to.equal(1);
      }
    }
  });

  it("compares the whole box of a detection without a mask, and the box of one without a box", async () => {
    const segmentation = await masks.fromBox(BOX, 100, 100);
    const groundTruth = truths(annotation(1, { segmentation }));
    const whole = await evaluateDetections({ groundTruth, detections: [detection(0.9)], kind: "segm" });
    expect(whole.stats.ar1).to.equal(1);
    const measured = await evaluateDetections({ groundTruth, detections: [detection(0.9, { bbox: [], segmentation })],
      kind: "bbox" });
    expect(measured.stats.ar1).to.equal(1);
  });

  it("measures by Pascal VOC's rules", async () => {
    const data = {
      groundTruth: truths(annotation(1), annotation(2, { image_id: 2 }), annotation(3, { bbox: AWAY, difficult: 1 })),
      detections: [detection(0.9), detection(0.85, { bbox: AWAY }), detection(0.8), detection(0.7, { image_id: 2 })],
      kind: "bbox" as const,
    };
    // Right, ignored, wrong (a second time), right: recalls 1/2, 1/2, 1 with precisions 1, 1/2, 2/3.
    const old = await evaluateDetections({ ...data, metric: "voc2007" });
    expectNear(old.stats.ap50, (6 + 5 * (2 / 3)) / 11, ROUNDING, "voc2007");
    const { stats, perCategory } = await evaluateDetections({ ...data, metric: "voc2010" });
    expectNear(stats.ap50, 0.5 + 0.5 * (2 / 3), ROUNDING, "voc2010");
    expect(perCategory.map(({ id, ap50 }) => [id, ap50])).to.deep.equal([[7, stats.ap50], [90, -1]]);
    expect(stats).to.have.all.keys("ap", "ap50", "ap75");
  });

  it("needs no areas for Pascal VOC's rules", async () => {
    const groundTruth = truths(annotation(1, { area: undefined }));
    const { stats } = await evaluateDetections({ ...perfect, groundTruth, metric: "voc2010" });
    expect(stats.ap50).to.equal(1);
  });

  it("stops where its signal is aborted", async () => {
    const controller = new AbortController();
    const detections = Array.from({ length: 200_000 }, (_, index) => detection(index));
    const evaluation = evaluateDetections({ ...perfect, detections, signal: controller.signal });
    setImmediate(() => {
      controller.abort();
    });
    await failureOf("ABORTED", () => evaluation);
    await failureOf("ABORTED", () => evaluateDetections({ ...perfect, signal: controller.signal }));
  });

  it("lets other events have their turn while it reads", async () => {
    const detections = Array.from({ length: 200_000 }, (_, index) => detection(index));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await evaluateDetections({ ...perfect, detections });
    clearInterval(timer);
    expect(turns).to.be.above(2);
  });
});

describe("evaluateDetections refuses", () => {
  const only = (fields: object): EvaluateDetectionsOptions => ({ ...perfect,
    groundTruth: truths(annotation(1, fields)) });
  const found = (fields: object): EvaluateDetectionsOptions => ({ ...perfect, detections: [detection(0.9, fields)] });
  const masked = (fields: object): EvaluateDetectionsOptions => ({
    groundTruth: truths(annotation(1, { segmentation: [[0, 0, 9, 0, 9, 9]] })),
    detections: [detection(0.9, fields)],
    kind: "segm",
  });
  const changed = (fields: object): EvaluateDetectionsOptions => ({ ...perfect, ...fields });

  const cases: [what: string, message: string, options: EvaluateDetectionsOptions][] = [
    ["another kind", 'invalid kind in evaluation options: expected "bbox" or "segm"', changed({ kind: "box" })],
    ["another metric", "invalid metric in evaluation options", changed({ metric: "voc" })],
    ["unknown options", "iouThreshold", changed({ iouThreshold: 0.5 })],
    ["a ground truth that is none",
      "invalid groundTruth: expected an object or the path of a JSON file, received null.",
      changed({ groundTruth: null })],
    ["a ground truth without images", "received one without images", changed({ groundTruth: { categories: [] } })],
    ["annotations that are no list", "invalid annotations: expected a list, received an object.",
      changed({ groundTruth: { ...truths(), annotations: {} } })],
    ["detections that are no list", "invalid detections: expected a list", changed({ detections: {} })],
    ["an element that is no object", "invalid detections[0]: expected an object, received 5.",
      changed({ detections: [5] })],
    ["an image without an id", "invalid images[0].id: expected a whole number, received nothing.",
      changed({ groundTruth: { ...truths(), images: [{}] } })],
    ["two images of one id", "invalid images[1].id: expected an id that no other has, received 3.",
      changed({ groundTruth: { ...truths(), images: [{ id: 3 }, { id: 3 }] } })],
    ["two categories of one id", "invalid categories[1].id",
      changed({ groundTruth: { ...truths(), categories: [{ id: 3 }, { id: 3 }] } })],
    ["two annotations of one id", "invalid annotations[1].id: expected an id that no other has",
      changed({ groundTruth: truths(annotation(1), annotation(1)) })],
    ["an annotation of an unknown image", "invalid annotations[0].image_id", only({ image_id: 3 })],
    ["an annotation of an unknown category", "invalid annotations[0].category_id", only({ category_id: 1 })],
    ["a detection of an unknown image", "invalid detections[0].image_id", found({ image_id: "1" })],
    ["a detection by its position of a category", "Ids are those of the annotations", found({ category_id: 0 })],
    ["a truth without an area", "invalid annotations[0].area: expected a finite number ≥ 0, received nothing.",
      only({ area: undefined })],
    ["an area that is no number", "invalid annotations[0].area", only({ area: NaN })],
    ["another iscrowd", "invalid annotations[0].iscrowd: expected 0 or 1, received 2.", only({ iscrowd: 2 })],
    ["a truth without a box", "invalid annotations[0].bbox", only({ bbox: undefined })],
    ["a box of three numbers", "invalid detections[0].bbox: expected [x, y, width, height]",
      found({ bbox: [1, 2, 3] })],
    ["a box of negative width", "invalid detections[0].bbox", found({ bbox: [1, 2, -3, 4] })],
    ["a box of no numbers", "invalid detections[0].bbox", found({ bbox: [1, 2, NaN, 4] })],
    ["a box without end", "invalid detections[0].bbox", found({ bbox: [1, 2, 1e300, 4] })],
    ["a detection without box and mask", "or a segmentation", found({ bbox: undefined })],
    ["a score that is no number", "invalid detections[0].score: expected a finite number, received NaN.",
      found({ score: NaN })],
    ["a truth without a mask", "invalid annotations[0].segmentation", { ...perfect, kind: "segm" }],
    ["masks of images without a size",
      "invalid images[0].height: expected a whole number of pixels > 0, received nothing.",
      changed({ kind: "segm", groundTruth: { ...truths(), images: [{ id: 1 }] } })],
    ["the box of a mask of an image without a size", "the mask of an image with height and width",
      changed({ groundTruth: { ...truths(), images: [{ id: 1 }] },
        detections: [detection(1, { bbox: [], segmentation: [[0, 0, 9, 0, 9, 9]] })] })],
    ["a segmentation of another kind", "invalid detections[0].segmentation", masked({ segmentation: 5 })],
    ["polygons that are no lists", "invalid detections[0].segmentation: expected a list of numbers",
      masked({ segmentation: [5] })],
    ["polygons of strings", "expected numbers", masked({ segmentation: [["0", 0, 9, 0, 9, 9]] })],
    ["polygons of two points", "invalid detections[0].segmentation: expected polygons of an even count",
      masked({ segmentation: [[0, 0, 9, 9]] })],
    ["no polygons", "invalid detections[0].segmentation: expected at least one polygon", masked({ segmentation: [] })],
    ["runs of another size than the image's", "invalid size of detections[0].segmentation: expected that of image 1",
      masked({ segmentation: { size: [50, 100], counts: [5000] } })],
    ["runs that do not add up", "invalid detections[0].segmentation: expected runs that add up to its 100 × 100 pixels",
      masked({ segmentation: { size: [100, 100], counts: [5] } })],
    ["strings of other characters", "invalid detections[0].segmentation.counts: expected characters",
      masked({ segmentation: { size: [100, 100], counts: "é" } })],
    ["too many categories", "expected at most 4096",
      changed({ detections: [],
        groundTruth: { images: [], annotations: [], categories: Array.from({ length: 5000 }, (_, id) => ({ id })) } })],
  ];
  for (const [what, message, options] of cases) {
    it(what, async () => {
      expect((await failureOf("INVALID_ARGUMENT", () => evaluateDetections(options))).message).to.contain(message);
    });
  }
});

describe("evaluateDetections of files", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "reviewkd-evaluation-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function write(name: string, content: unknown): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  }

  it("gives what it gives of their content, whatever the order and the spaces", async () => {
    const { images, categories, annotations } = truths(
      ...Array.from({ length: 5000 }, (_, index) => annotation(index, { image_id: 1 + index % 2 })),
    );
    const detections = Array.from({ length: 5000 }, (_, index) => detection(index, { image_id: 1 + index % 2 }));
    const want = await evaluateDetections({ groundTruth: { images, categories, annotations }, detections,
      kind: "bbox" });
    const groundTruth = await write("truths.json",
      JSON.stringify({ info: { text: 'a "quoted" ] } \\' }, licenses: [], annotations, categories, version: 1, images },
        null, 2));
    const got = await evaluateDetections({ groundTruth, detections: await write("detections.json", detections),
      kind: "bbox" });
    expect(got.stats).to.deep.equal(want.stats);
    expect(want.stats.ar100).to.be.above(0);
  });

  const refusals: [what: string, code: ErrorCode, content: string, message: string][] = [
    ["is no JSON", "FILE_CORRUPT", "id,score", "invalid JSON at byte 0 of"],
    ["is empty", "FILE_CORRUPT", "", "received the end of the file"],
    ["ends early", "FILE_CORRUPT", '[{"image_id": 1, "sc', "expected the end of a value"],
    ["ends between elements", "FILE_CORRUPT", "[", "received the end of the file"],
    ["has text behind its list", "FILE_CORRUPT", "[] []", "expected the end of the file"],
    ["has a comma too many", "FILE_CORRUPT", `[${JSON.stringify(detection(1))},]`, "invalid JSON in the value at byte"],
    ["has numbers that are none", "FILE_CORRUPT", '[{"score": NaN}]', "invalid JSON in the value at byte 1 of"],
    ["is an object", "FILE_CORRUPT", "{}", "expected a list, received an object"],
    ["has a wrong value", "FILE_CORRUPT", JSON.stringify([detection(1, { bbox: [1] })]),
      "invalid detections[0].bbox in"],
  ];
  for (const [what, code, content, message] of refusals) {
    it(`refuses a file that ${what}`, async () => {
      const path = await write("bad.json", content);
      const error = await failureOf(code, () => evaluateDetections({ ...perfect, detections: path }));
      expect(error.message).to.contain(message).and.to.contain(path);
    });
  }

  it("names the file whose mask is damaged", async () => {
    const segmentation = { size: [100, 100], counts: [5] } as const;
    const groundTruth = await write("masks.json",
      truths(annotation(1, { segmentation: { ...segmentation, size: [100, 100], counts: [5] } })));
    const { message } = await failureOf("FILE_CORRUPT",
      () => evaluateDetections({ groundTruth, detections: [], kind: "segm" }));
    expect(message).to.match(/^invalid annotations\[0\]\.segmentation in .*masks\.json: expected runs that add up/);
  });

  it("refuses keys that occur twice", async () => {
    const groundTruth = await write("twice.json", '{"images": [], "categories": [], "images": []}');
    await failureOf("FILE_CORRUPT", () => evaluateDetections({ ...perfect, groundTruth }));
  });

  it("refuses a ground truth without annotations", async () => {
    const groundTruth = await write("none.json", '{"images": [], "categories": []}');
    const { message } = await failureOf("FILE_CORRUPT", () => evaluateDetections({ ...perfect, groundTruth }));
    expect(message).to.contain("received one without annotations");
  });

  it("reports a missing file and a folder", async () => {
    await failureOf("FILE_NOT_FOUND", () => evaluateDetections({ ...perfect, detections: join(folder, "none") }));
    await failureOf("FILE_ACCESS", () => evaluateDetections({ ...perfect, detections: folder }));
  });

  it("refuses an element that is too large, without its memory", async () => {
    const path = await write("large.json", `[{"text": "${"x".repeat(20 * 2 ** 20)}"}]`);
    await failureOf("FILE_UNSUPPORTED", () => evaluateDetections({ ...perfect, detections: path }));
  });
});
