import { assertObject, valueText } from "../../config/validation.js";
import { ReviewKdError } from "../../errors.js";
import type { PagedArray, PagedText } from "./paged-array.js";
import type { Segmentation, Segmentations } from "./segmentations.js";

export interface DetectionCategory {
  readonly id: number;
  readonly name: string;
  readonly supercategory?: string;
}

export interface DetectionImage {
  readonly id: number;
  /** Relative to the folder of the images; empty for annotations without files. */
  readonly fileName: string;
  /** In stored pixels. */
  readonly width: number;
  readonly height: number;
}

/** The annotations of one image, in the order of their source; all lists have `count` entries. */
export interface ImageAnnotations {
  readonly count: number;
  readonly ids: Float64Array;
  /** Index of each annotation's category in {@link DetectionAnnotations.categories}. */
  readonly categories: Int32Array;
  /** `[count, 4]`: x1, y1, x2, y2 in pixels, clipped to the image. */
  readonly boxes: Float64Array;
  /** `[count, 4]`: x, y, width, height as annotated, which is what COCO's evaluation compares with. */
  readonly annotatedBoxes: Float64Array;
  /** Area as annotated (of the mask in COCO), else of the annotated box. */
  readonly areas: Float64Array;
  /** 1 for a crowd: left out of training, and ignored in evaluations. */
  readonly crowd: Uint8Array;
  /** 1 for a difficult object of Pascal VOC. */
  readonly difficult: Uint8Array;
  /** The outline of the annotation at a position in these lists; `undefined` if it has none. */
  readonly segmentation: (position: number) => Segmentation | undefined;
}

/** Annotations that were left out (`invalidBoxes: "drop"`), and images without any. */
export interface AnnotationReport {
  /** Annotations whose box has no area within its image. */
  readonly droppedBoxes: number;
  /** Polygons with fewer than six or an odd count of numbers. */
  readonly droppedPolygons: number;
  /** Annotations that only had such polygons, or whose mask has no pixel. */
  readonly droppedOutlines: number;
  /** The first few of these, as sentences. */
  readonly examples: readonly string[];
  /** Images without annotations. They are kept. */
  readonly emptyImages: number;
}

/** Bits of {@link AnnotationColumns.flags}. */
export const FLAG = { crowd: 1, difficult: 2, rle: 4, dropped: 8 } as const;

/** All annotations, by column. An image's annotations are a range of `order`. */
export interface AnnotationColumns {
  readonly imageIds: PagedArray;
  readonly widths: PagedArray;
  readonly heights: PagedArray;
  readonly fileNames: PagedText;
  readonly ids: PagedArray;
  readonly categories: PagedArray;
  /** x, y, width, height of each annotation as annotated. */
  readonly boxes: PagedArray;
  readonly areas: PagedArray;
  readonly flags: PagedArray;
  /** The annotation's first polygon, or its mask, and the number of its polygons; count 0: no outline. */
  readonly outlineStarts: PagedArray;
  readonly outlineCounts: PagedArray;
  readonly segmentations: Segmentations;
}

/** The order of annotations by image: those of image i are `order[firsts[i]]` … `order[firsts[i + 1] - 1]`. */
export interface AnnotationOrder {
  readonly firsts: Uint32Array;
  readonly order: Uint32Array;
  readonly imageIndexOf: (id: number) => number | undefined;
}

/**
 * Boxes, masks and categories of a split, checked and compact: about 80 bytes an annotation, and 4 a number of a
 * polygon. Nothing can be changed: what is returned is a copy. Annotations of an image become objects when they are
 * read.
 *
 * @example
 * ```ts
 * const annotations = await readCocoAnnotations("coco/annotations/instances_val2017.json");
 * const { boxes, categories: [category = 0] } = annotations.of(0);
 * console.log(annotations.image(0).fileName, annotations.categories[category]?.name, boxes.subarray(0, 4));
 * ```
 */
export class DetectionAnnotations {
  /** By rising id. */
  readonly categories: readonly DetectionCategory[];
  readonly report: AnnotationReport;
  readonly #columns: AnnotationColumns;
  readonly #order: AnnotationOrder;

  constructor(categories: readonly DetectionCategory[], columns: AnnotationColumns, order: AnnotationOrder,
    report: AnnotationReport) {
    this.categories = Object.freeze(categories.map((category) => Object.freeze({ ...category })));
    this.report = Object.freeze({ ...report, examples: Object.freeze([...report.examples]) });
    this.#columns = columns;
    this.#order = order;
  }

  /** The number of images, also of those without annotations. */
  get imageCount(): number {
    return this.#columns.imageIds.length;
  }

  /** The number of annotations of all images, crowds included. */
  get count(): number {
    return this.#order.order.length;
  }

  /** Whether an annotation has polygons or a mask. */
  get hasOutlines(): boolean {
    const { outlineCounts } = this.#columns;
    return this.#order.order.some((at) => outlineCounts.at(at) > 0);
  }

  /** The image at an index from 0, in the order of the source. @throws `INVALID_ARGUMENT` */
  image(index: number): DetectionImage {
    this.#assertImage(index);
    const { imageIds, fileNames, widths, heights } = this.#columns;
    return { id: imageIds.at(index), fileName: fileNames.at(index), width: widths.at(index),
      height: heights.at(index) };
  }

  /** Height and width of the image at an index, without decoding its name. @throws `INVALID_ARGUMENT` */
  sizeOf(index: number): readonly [height: number, width: number] {
    this.#assertImage(index);
    return [this.#columns.heights.at(index), this.#columns.widths.at(index)];
  }

  /** The index of the image with an id. */
  indexOfImage(id: number): number | undefined {
    return Number.isSafeInteger(id) ? this.#order.imageIndexOf(id) : undefined;
  }

  /** Width / height of each image, for {@link groupedOrder}. */
  aspectRatios(): Float64Array {
    const { widths, heights } = this.#columns;
    return Float64Array.from({ length: this.imageCount }, (_, index) => widths.at(index) / heights.at(index));
  }

  /** The number of an image's annotations; `crowds: false` leaves out crowds, which are not trained on. */
  countOf(index: number, options: { readonly crowds?: boolean } = {}): number {
    assertObject(options, "options of countOf");
    const { crowds = true } = options;
    const order = this.#orderOf(index);
    return crowds ? order.length
      : order.reduce((count, at) => count + ((this.#columns.flags.at(at) & FLAG.crowd) === 0 ? 1 : 0), 0);
  }

  /** The annotations of the image at an index from 0. @throws `INVALID_ARGUMENT` */
  of(index: number): ImageAnnotations {
    const order = this.#orderOf(index);
    const { ids, areas, flags } = this.#columns;
    const flagged = (flag: number): Uint8Array => Uint8Array.from(order, (at) => (flags.at(at) & flag) === 0 ? 0 : 1);
    return {
      count: order.length,
      ids: Float64Array.from(order, (at) => ids.at(at)),
      categories: Int32Array.from(order, (at) => this.#columns.categories.at(at)),
      ...this.#boxesOf(index, order),
      areas: Float64Array.from(order, (at) => areas.at(at)),
      crowd: flagged(FLAG.crowd),
      difficult: flagged(FLAG.difficult),
      segmentation: (position) => this.#segmentation(order[position]),
    };
  }

  #boxesOf(index: number, order: Uint32Array): Pick<ImageAnnotations, "boxes" | "annotatedBoxes"> {
    const [width, height] = [this.#columns.widths.at(index), this.#columns.heights.at(index)];
    const annotatedBoxes = Float64Array.from({ length: 4 * order.length },
      (_, i) => this.#columns.boxes.at(4 * (order[i >>> 2] as number) + (i & 3)));
    const boxes = new Float64Array(4 * order.length);
    for (let first = 0; first < boxes.length; first += 4)
      boxes.set(clipped(annotatedBoxes.subarray(first, first + 4), width, height), first);
    return { boxes, annotatedBoxes };
  }

  #segmentation(at: number | undefined): Segmentation | undefined {
    const { outlineStarts, outlineCounts, flags, segmentations } = this.#columns;
    if (at === undefined || outlineCounts.at(at) === 0) return undefined;
    const start = outlineStarts.at(at);
    if ((flags.at(at) & FLAG.rle) !== 0) return { kind: "rle", rle: segmentations.rle(start) };
    return { kind: "polygons",
      polygons: Array.from({ length: outlineCounts.at(at) }, (_, i) => segmentations.polygon(start + i)) };
  }

  #orderOf(index: number): Uint32Array {
    this.#assertImage(index);
    const { firsts, order } = this.#order;
    return order.subarray(firsts[index], firsts[index + 1]);
  }

  #assertImage(index: number): void {
    if (Number.isInteger(index) && index >= 0 && index < this.imageCount) return;
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid image index: expected a whole number below ${this.imageCount}, received ${valueText(index)}. Pass the index of an image.`);
  }
}

/** The corners of a box x, y, width, height within an image: x1, y1, x2, y2. Without area where x2 ≤ x1 or y2 ≤ y1. */
export function clipped(box: ArrayLike<number>, width: number, height: number): [number, number, number, number] {
  const [x, y] = [box[0] as number, box[1] as number];
  const within = (value: number, limit: number): number => Math.min(Math.max(value, 0), limit);
  return [within(x, width), within(y, height), within(x + (box[2] as number), width),
    within(y + (box[3] as number), height)];
}
