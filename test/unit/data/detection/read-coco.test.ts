import { expect } from "chai";
import { readCocoAnnotations, type AnnotationProgress } from "../../../../lib/datasets/detection/read-coco.js";
import { failureOf } from "../../../support/errors.js";
import { scratchDirectory } from "../../lib/small-run.js";
import { ANNOTATION, CATEGORIES, CROWD, IMAGES, instances, POLYGON, writeInstances } from "./coco-files.js";

const scratch = scratchDirectory();
const path = (): string => scratch("instances.json");

describe("COCO annotations", () => {
  it("has categories by id, and images in the file's order", async () => {
    const annotations = await readCocoAnnotations(await writeInstances(path()));
    expect(annotations.categories).to.deep.equal([CATEGORIES[1], CATEGORIES[0]]);
    expect([annotations.imageCount, annotations.count]).to.deep.equal([2, 2]);
    expect([0, 1].map((index) => annotations.image(index))).to.deep.equal(
      IMAGES.map(({ file_name: fileName, ...image }) => ({ ...image, fileName })),
    );
    expect([7, 3, 4].map((id) => annotations.indexOfImage(id))).to.deep.equal([0, 1, undefined]);
    expect([...annotations.aspectRatios()]).to.deep.equal([40 / 30, 10 / 8]);
  });

  it("has each image's annotations with corners, areas, categories and outlines", async () => {
    const annotations = await readCocoAnnotations(await writeInstances(path()));
    const { segmentation, ...lists } = annotations.of(0);
    expect(lists).to.deep.equal({ count: 1, ids: Float64Array.of(ANNOTATION.id), categories: Int32Array.of(1),
      boxes: Float64Array.of(1.5, 2.25, 1.5 + 9.57, 2.25 + 10.05), annotatedBoxes: Float64Array.from(ANNOTATION.bbox),
      areas: Float64Array.of(48.09), crowd: Uint8Array.of(0), difficult: Uint8Array.of(0) });
    // Exact although coordinates are kept as hundredths, for a mask depends on the last bit of 5 · x.
    expect(segmentation(0)).to.deep.equal({ kind: "polygons", polygons: [POLYGON] });
    expect(segmentation(1)).to.equal(undefined);
  });

  it("marks crowds, and keeps their runs as COCO's string", async () => {
    const annotations = await readCocoAnnotations(await writeInstances(path()));
    const { crowd, segmentation } = annotations.of(1);
    expect([...crowd]).to.deep.equal([1]);
    // The string is pycocotools' own: frPyObjects({ size: [8, 10], counts: [0, 40, 40] }).
    expect(segmentation(0)).to.deep.equal({ kind: "rle", rle: { size: [8, 10], counts: "0X1X1" } });
    expect([annotations.countOf(1), annotations.countOf(1, { crowds: false })]).to.deep.equal([1, 0]);
  });

  it("reads lists in any order, and ignores other keys, __proto__ too", async () => {
    const text = `{"annotations":[${JSON.stringify(CROWD).replace("{", '{"__proto__":{"id":9},"caption":"x",')},
      ${JSON.stringify({ ...ANNOTATION, score: [1] })}],
      "categories":${JSON.stringify(CATEGORIES)},"__proto__":{"images":[]},"images":${JSON.stringify(IMAGES)},"licenses":[{}]}`;
    const annotations = await readCocoAnnotations(await writeInstances(path(), `\uFEFF${text}`));
    expect([0, 1].map((index) => [...annotations.of(index).ids])).to.deep.equal([[ANNOTATION.id], [CROWD.id]]);
    expect(Object.prototype).not.to.have.property("images");
  });

  it("takes a missing crowd flag as 0, a missing area as the box's, and a missing outline as none", async () => {
    const text = instances({
      annotations: [{ id: 1, image_id: 7, category_id: 1, bbox: [1, 2, 3, 4] }, { id: 4, image_id: 7, category_id: 1,
        bbox: [1, 2, 3, 4], segmentation: [], area: null, iscrowd: null }],
    });
    const { areas, crowd, segmentation } = (await readCocoAnnotations(await writeInstances(path(), text))).of(0);
    expect([[...areas], [...crowd], segmentation(0), segmentation(1)]).to.deep.equal([[12, 12], [0, 0], undefined,
      undefined]);
  });

  it("counts images without annotations, and keeps them", async () => {
    const annotations = await readCocoAnnotations(await writeInstances(path(), instances({ annotations: [CROWD] })));
    expect([annotations.imageCount, annotations.report.emptyImages, annotations.of(0).count]).to.deep.equal([2, 1, 0]);
  });

  it("clips boxes to the image, and hands out the annotated ones as well", async () => {
    const text = instances({ annotations: [{ ...ANNOTATION, bbox: [-5, 20, 100, 100] }] });
    const { boxes, annotatedBoxes } = (await readCocoAnnotations(await writeInstances(path(), text))).of(0);
    expect([[...boxes], [...annotatedBoxes]]).to.deep.equal([[0, 20, 40, 30], [-5, 20, 100, 100]]);
  });

  const INVALID = {
    annotations: [ANNOTATION, { ...ANNOTATION, id: 5, bbox: [3, 3, 0, 4] }, { ...ANNOTATION, id: 6,
      bbox: [40, 3, 4, 4] }, { ...ANNOTATION, id: 8, segmentation: [[1, 2, 3, 4, 5], POLYGON] }, { ...ANNOTATION, id: 9,
      segmentation: [[1, 2, 3, 4]] }],
  };

  it("refuses boxes without area, and names file, byte, image and annotation", async () => {
    const text = instances({ annotations: INVALID.annotations.slice(0, 2) });
    const { message } = await failureOf("FILE_CORRUPT",
      async () => readCocoAnnotations(await writeInstances(path(), text)));
    expect(message).to.equal(
      `invalid box of annotation 5 of image 7 at byte ${text.indexOf('{"id":5,')} of ${path()}: expected x, y, width, height ` +
        "with an area within the image of 40×30, sides of at least 1/128 pixel, received 3, 3, 0, 4. Correct or remove it, or leave out such annotations " +
        'with invalidBoxes: "drop".',
    );
  });

  it("leaves out such boxes and polygons if it should, and counts them", async () => {
    const annotations = await readCocoAnnotations(await writeInstances(path(), instances(INVALID)), {
      invalidBoxes: "drop",
    });
    const { ids, segmentation } = annotations.of(0);
    expect([...ids]).to.deep.equal([ANNOTATION.id, 8]);
    expect(segmentation(1)).to.deep.equal({ kind: "polygons", polygons: [POLYGON] });
    const { examples, ...counts } = annotations.report;
    expect(counts).to.deep.equal({ droppedBoxes: 2, droppedPolygons: 2, droppedOutlines: 1, emptyImages: 1 });
    expect(examples.length).to.equal(4);
    expect(examples[0]).to.include("invalid polygon 0 of annotation 8 of image 7");
  });

  it("cannot be changed", async () => {
    const annotations = await readCocoAnnotations(await writeInstances(path()));
    annotations.of(0).boxes.fill(0);
    expect(annotations.of(0).boxes[0]).to.equal(1.5);
    expect(() => (annotations.categories as unknown[]).push(1)).to.throw(TypeError);
    expect(Object.isFrozen(annotations.categories[0])).to.equal(true);
  });

  it("refuses indices that no image has", async () => {
    const annotations = await readCocoAnnotations(await writeInstances(path()));
    for (const index of [-1, 2, 0.5, NaN]) {
      expect((await failureOf("INVALID_ARGUMENT", () => annotations.of(index))).message).to.include(
        `expected a whole number below 2, received ${index}`,
      );
    }
  });

  it("reports the end of the file, and progress before it", async () => {
    const images = Array.from({ length: 40_000 }, (_, id) => ({ ...IMAGES[0], id }));
    const reports: AnnotationProgress[] = [];
    const text = instances({ images, annotations: [] });
    await readCocoAnnotations(await writeInstances(path(), text), { onProgress: (report) => reports.push(report) });
    expect(reports.at(-1)).to.deep.equal({ bytes: text.length, totalBytes: text.length, images: 40_000,
      annotations: 0 });
  });

  it("lets timers run while it reads, and stops when its signal says so", async () => {
    const images = Array.from({ length: 100_000 }, (_, id) => ({ ...IMAGES[0], id }));
    await writeInstances(path(), instances({ images, annotations: [] }));
    const controller = new AbortController();
    setImmediate(() => {
      controller.abort(new Error("enough"));
    });
    const error = await failureOf("ABORTED", () => readCocoAnnotations(path(), { signal: controller.signal }));
    expect(error.cause).to.equal(controller.signal.reason);
  });

  it("does not begin with a signal that is aborted", async () => {
    await failureOf("ABORTED", () => readCocoAnnotations(scratch("none"), { signal: AbortSignal.abort() }));
  });

  it("checks its options", async () => {
    const { message } = await failureOf("INVALID_ARGUMENT",
      () => readCocoAnnotations(path(), { invalidBoxes: "skip" } as never));
    expect(message).to.include(
      'invalid invalidBoxes in options of readCocoAnnotations: expected "error" or "drop", received "skip"',
    );
  });
});
