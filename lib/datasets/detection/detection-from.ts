import { bytesOf, isTypedArray } from "../../config/typed-arrays.js";
import { parse } from "../../config/validation.js";
import { DetectionInput, type DetectionImageInput,
  type DetectionInputOptions } from "../../config/schemas/detection/data.js";
import { Pacer } from "../../api/pacer.js";
import type { DetectionAnnotations } from "./annotations.js";
import { AnnotationsBuilder, type Outline } from "./annotations-builder.js";
import { parseOutline } from "./outlines.js";
import { RecordSource, type RecordName } from "./record-source.js";
import { compressRuns, runsOfBitmap } from "./rle-string.js";
import { atCall } from "../../errors.js";

/**
 * Annotations from JavaScript, checked like those of files.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT`, which names the image and the object.
 *
 * @example
 * ```ts
 * const annotations = await detectionFrom({
 *   categories: [{ id: 1, name: "cell" }],
 *   images: [{ id: 7, fileName: "7.png", width: 640, height: 480, boxes: [[10, 20, 110, 220]], labels: [1] }],
 * });
 * ```
 */
export async function detectionFrom(input: DetectionInputOptions): Promise<DetectionAnnotations> {
  return atCall(buildAnnotations(input));
}

async function buildAnnotations(input: DetectionInputOptions): Promise<DetectionAnnotations> {
  const { categories, images, invalidBoxes } = parse(DetectionInput, input, "detection annotations");
  const source = new RecordSource("INVALID_ARGUMENT", (position) => `at index ${position}`, "Correct the arguments.");
  const builder = new AnnotationsBuilder(source, invalidBoxes);
  for (const [position, { id, name, supercategory }] of categories.entries())
    builder.addCategory({ id, name, ...(supercategory !== undefined && { supercategory }) }, position);
  const pacer = new Pacer(undefined, "checking the annotations");
  for (const [position, image] of images.entries()) {
    builder.addImage(image, position);
    new ImageObjects(image, position, source, invalidBoxes).addTo(builder);
    if (pacer.isDue()) await pacer.pause();
  }
  return builder.finish();
}

const CROWDS = new Set<unknown>([true, false, 0, 1]);

/** The objects of one image. */
class ImageObjects {
  readonly #count: number;

  constructor(private readonly image: DetectionImageInput, private readonly position: number,
    private readonly source: RecordSource, private readonly invalidBoxes: "error" | "drop") {
    const { boxes, labels, masks, polygons } = image;
    this.#count = labels.length;
    for (const field of ["boxes", "masks", "polygons", "areas", "crowd", "ids"] as const) {
      const list = image[field];
      const length = field === "boxes" && ArrayBuffer.isView(boxes) ? boxes.length / 4 : list?.length;
      if (length !== undefined && length !== this.#count)
        source.failWith(field, this.#record(), `${this.#count}, one per label`, String(length));
    }
    if (masks !== undefined && polygons !== undefined)
      source.failWith("outlines", this.#record(), "masks or polygons", "both", "Pass one of them.");
  }

  addTo(builder: AnnotationsBuilder): void {
    const { labels, areas, crowd, ids } = this.image;
    for (let index = 0; index < this.#count; ++index) {
      const record: RecordName = { what: "object", id: index, image: this.image.id, position: this.position };
      const area = areas === undefined ? undefined : this.source.finite(areas[index], `areas[${index}]`, record);
      if (area !== undefined && area < 0) this.source.fail(`areas[${index}]`, record, "a number of at least 0", area);
      const isCrowd = crowd?.[index] ?? false;
      if (!CROWDS.has(isCrowd)) this.source.fail(`crowd[${index}]`, record, "true, false, 1 or 0", isCrowd);
      builder.addAnnotation({
        id: ids === undefined ? builder.annotationCount + 1 : this.source.whole(ids[index], `ids[${index}]`, record),
        imageId: this.image.id,
        categoryId: this.source.whole(labels[index], `labels[${index}]`, record),
        box: this.#boxAt(index, record),
        area,
        crowd: Boolean(isCrowd),
        outline: this.#outlineAt(index, record),
      }, this.position);
    }
  }

  /** x, y, width, height of a box given by its corners. */
  #boxAt(index: number, record: RecordName): [number, number, number, number] {
    const { boxes } = this.image;
    const corners: unknown = ArrayBuffer.isView(boxes) ? [0, 1, 2, 3].map((i) => boxes[4 * index + i]) : boxes[index];
    const [x1, y1, x2, y2] = [0, 1, 2, 3].map((i) =>
      this.source.finite((corners as ArrayLike<unknown> | null | undefined)?.[i], `boxes[${index}][${i}]`, record)
    ) as [number, number, number, number];
    if (!(x1 < x2 && y1 < y2) && this.invalidBoxes === "error") {
      this.source.failWith(`boxes[${index}]`, record, "x1, y1, x2, y2 with x1 < x2 and y1 < y2",
        [x1, y1, x2, y2].join(", "), 'Correct it, or leave out such objects with invalidBoxes: "drop".');
    }
    return [x1, y1, x2 - x1, y2 - y1];
  }

  #outlineAt(index: number, record: RecordName): Outline | undefined {
    const { masks, polygons, width, height } = this.image;
    if (polygons !== undefined) return parseOutline(polygons[index], `polygons[${index}]`, record, this.source);
    const mask = masks?.[index];
    if (!isTypedArray(mask, "Uint8Array", "Uint8ClampedArray"))
      return parseOutline(mask, `masks[${index}]`, record, this.source);
    if (mask.length !== width * height)
      this.source.failWith(`masks[${index}]`, record, `${width * height} bytes for ${height}×${width}`,
        `${mask.length}`);
    return { kind: "rle", height, width, characters: compressRuns(runsOfBitmap(bytesOf(mask), height, width)) };
  }

  #record(): RecordName {
    return { what: "image", id: this.image.id, position: this.position };
  }
}
