import { expect } from "chai";
import { detectionFrom } from "../../../../lib/datasets/detection/detection-from.js";
import { failureOf } from "../../../support/errors.js";

const CATEGORIES = [{ id: 4, name: "cell" }, { id: 2, name: "nucleus", supercategory: "part" }];
const BITMAP = Uint8Array.of(0, 0, 1, 0, 1, 1);

describe("annotations from JavaScript", () => {
  it("are like those of files", async () => {
    const annotations = await detectionFrom({ categories: CATEGORIES, images: [
      { id: 9, width: 3, height: 2, fileName: "x/9.png", boxes: [[0, 0, 2, 1], [1, 0, 3, 2]], labels: [4, 2],
        masks: [BITMAP, { size: [2, 3], counts: "33" }], crowd: [false, true], areas: [7, 8], ids: [10, 20] },
      { id: 1, width: 50, height: 40, boxes: Float32Array.of(0.5, 1.25, 30, 20.75), labels: Int32Array.of(4),
        polygons: [[[1, 1, 5, 1, 5, 5]]] },
      { id: 2, width: 50, height: 40, boxes: [], labels: [] },
    ] });
    expect(annotations.categories.map(({ id }) => id)).to.deep.equal([2, 4]);
    const { segmentation, ...first } = annotations.of(0);
    expect(first).to.deep.equal({ count: 2, ids: Float64Array.of(10, 20), categories: Int32Array.of(1, 0),
      boxes: Float64Array.of(0, 0, 2, 1, 1, 0, 3, 2), annotatedBoxes: Float64Array.of(0, 0, 2, 1, 1, 0, 2, 2),
      areas: Float64Array.of(7, 8), crowd: Uint8Array.of(0, 1), difficult: Uint8Array.of(0, 0) });
    expect([0, 1].map((at) => segmentation(at))).to.deep.equal(
      [0, 1].map(() => ({ kind: "rle", rle: { size: [2, 3], counts: "33" } })),
    );
    const second = annotations.of(1);
    expect([...second.boxes, ...second.areas, ...second.ids]).to.deep.equal([0.5, 1.25, 30, 20.75, 29.5 * 19.5, 3]);
    expect(second.segmentation(0)).to.deep.equal({ kind: "polygons", polygons: [[1, 1, 5, 1, 5, 5]] });
    expect([annotations.report.emptyImages, annotations.image(0).fileName, annotations.image(2).fileName]).to.deep
      .equal([1, "x/9.png", ""]);
  });

  const IMAGE = { id: 9, width: 30, height: 20, boxes: [[0, 0, 2, 1]], labels: [4] };
  const WRONG: readonly (readonly [what: string, image: unknown, says: string])[] = [
    ["an image that is null", null, "invalid images[1] in detection annotations: expected an object, received null"],
    ["a width that is text", { ...IMAGE, width: "3" }, "invalid images[1].width"],
    ["boxes that are text", { ...IMAGE, boxes: "1234" }, "expected a list of boxes"],
    ["another key", { ...IMAGE, box: [] }, "expected one of the keys id, width"],
    ["fewer labels than boxes", { ...IMAGE, labels: [] },
      "invalid boxes of image 9 at index 1: expected 0, one per label, received 1"],
    ["an incomplete box in an array", { ...IMAGE, boxes: Float64Array.of(1, 2, 3) }, "received 0.75"],
    ["fewer masks than labels", { ...IMAGE, masks: [] }, "invalid masks of image 9 at index 1"],
    ["masks and polygons", { ...IMAGE, masks: [BITMAP], polygons: [[]] },
      "expected masks or polygons, received both. Pass one"],
    ["a mask of another size", { ...IMAGE, masks: [BITMAP] }, "600 bytes for 20×30, received 6"],
    ["a box that is null", { ...IMAGE, boxes: [null] }, "invalid boxes[0][0] of object 0 of image 9"],
    ["a box with NaN", { ...IMAGE, boxes: [[0, NaN, 1, 1]] },
      "invalid boxes[0][1] of object 0 of image 9 at index 1: expected a finite number, received NaN"],
    ["a box without area", { ...IMAGE, boxes: [[5, 5, 5, 9]] },
      "invalid boxes[0] of object 0 of image 9 at index 1: expected x1, y1, x2, y2 with x1 < x2 and y1 < y2, received 5, 5, 5, 9"],
    ["a box whose ends are equal in float32", { ...IMAGE, boxes: [[5, 5, 5 + 1e-9, 9]] }, "at least 1/128 pixel"],
    ["a negative area", { ...IMAGE, areas: [-1] }, "invalid areas[0] of object 0 of image 9"],
    ["a crowd that is a word", { ...IMAGE, crowd: ["x"] }, 'expected true, false, 1 or 0, received "x"'],
    ["a label that is no category", { ...IMAGE, labels: [3] }, "expected the id of a category, received 3"],
    ["a label of 1.5", { ...IMAGE, labels: [1.5] }, "invalid labels[0] of object 0 of image 9"],
    ["a polygon of 5 numbers", { ...IMAGE, polygons: [[[1, 2, 3, 4, 5]]] },
      "invalid polygon 0 of annotation 1 of image 9"],
    ["an id that occurs twice", { ...IMAGE, id: 8 }, "invalid id of image 8 at index 1: expected one image of each id"],
  ];

  for (const [what, image, says] of WRONG) {
    it(`refuse ${what}`, async () => {
      const images = [{ id: 8, width: 5, height: 5, boxes: [], labels: [] }, image] as never;
      expect((await failureOf("INVALID_ARGUMENT", () => detectionFrom({ categories: CATEGORIES, images }))).message).to
        .include(says);
    });
  }

  it("leave out boxes without area if they should", async () => {
    const annotations = await detectionFrom({ categories: CATEGORIES, images: [{ ...IMAGE, boxes: [[5, 5, 5, 9]] }],
      invalidBoxes: "drop" });
    expect([annotations.count, annotations.report.droppedBoxes]).to.deep.equal([0, 1]);
  });
});
