import { setImmediate } from "node:timers/promises";
import { clipped, DetectionAnnotations, FLAG, type AnnotationColumns, type AnnotationOrder, type AnnotationReport,
  type DetectionCategory, type DetectionImage } from "./annotations.js";
import { IdTable } from "./id-table.js";
import { PagedArray, PagedText } from "./paged-array.js";
import type { RecordName, RecordSource } from "./record-source.js";
import { Segmentations } from "./segmentations.js";

/** The outline of an annotation, its form checked. */
export type Outline =
  | { readonly kind: "polygons"; readonly polygons: readonly ArrayLike<number>[] }
  | { readonly kind: "rle"; readonly characters: Uint8Array; readonly height: number; readonly width: number };

/** An annotation whose types are checked, but neither its values nor its references. */
export interface NewAnnotation {
  readonly id: number;
  readonly imageId: number;
  readonly categoryId: number;
  /** x, y, width, height; finite. */
  readonly box: readonly [number, number, number, number];
  /** Default: the area of the box. */
  readonly area?: number | undefined;
  readonly crowd: boolean;
  readonly difficult?: boolean;
  /** `"missing"`: a mask that was expected. */
  readonly outline?: Outline | "missing" | undefined;
}

/** Handling of boxes without area, and of polygons that are none: an error, or left out and counted. */
export type InvalidBoxes = "error" | "drop";

/** Turns of the event loop during the checks at the end. */
interface Turns {
  readonly next: () => Promise<void>;
}

/** A width and height of 2^14 - 1, the largest image that sharp decodes by default. */
const MOST_PIXELS = 0x3fff ** 2;
/** The longest side that a JPEG can have. */
export const LONGEST_SIDE = 65_535;
/** As many as an evaluation takes. */
const MOST_CATEGORIES = 4096;
/** Larger coordinates are in no image, and would make drawing a polygon arbitrarily expensive. */
const LARGEST_COORDINATE = 1e6;
/** In pixels: twice the distance of coordinates in float32 at the longest side; less could be no area in a network. */
const SMALLEST_SIDE = 2 ** -7;
const EXAMPLES = 5;
/** Records between two turns of the event loop: below a millisecond, and a few while a table is still new to memory. */
const TURN = 2 ** 9;

const DROP_FIX = 'Correct or remove it, or leave out such annotations with invalidBoxes: "drop".';

/** Collects the records of a source in any order, checks each, and all against each other at the end. */
export class AnnotationsBuilder {
  readonly #categories: DetectionCategory[] = [];
  readonly #categoryIndices = new Map<number, number>();
  readonly #imagePositions = new PagedArray(Float64Array);
  readonly #annotations = { imageIds: new PagedArray(Float64Array), positions: new PagedArray(Float64Array) };
  readonly #columns: AnnotationColumns = {
    imageIds: new PagedArray(Float64Array),
    widths: new PagedArray(Uint32Array),
    heights: new PagedArray(Uint32Array),
    fileNames: new PagedText(),
    ids: new PagedArray(Float64Array),
    // Ids until the end, then indices.
    categories: new PagedArray(Float64Array),
    boxes: new PagedArray(Float64Array),
    areas: new PagedArray(Float64Array),
    flags: new PagedArray(Uint8Array),
    outlineStarts: new PagedArray(Uint32Array),
    outlineCounts: new PagedArray(Uint32Array),
    segmentations: new Segmentations(),
  };
  readonly #dropped = { boxes: 0, polygons: 0, outlines: 0, examples: [] as string[] };

  constructor(private readonly source: RecordSource, private readonly invalidBoxes: InvalidBoxes) {}

  get imageCount(): number {
    return this.#columns.imageIds.length;
  }

  get annotationCount(): number {
    return this.#columns.ids.length;
  }

  addCategory(category: DetectionCategory, position: number): void {
    const record: RecordName = { what: "category", id: category.id, position };
    if (this.#categories.length === MOST_CATEGORIES)
      this.source.failWith("number", record, `at most ${MOST_CATEGORIES} categories`, "more");
    if (this.#categoryIndices.has(category.id)) this.source.fail("id", record, "one category of each id", category.id);
    this.#categoryIndices.set(category.id, this.#categories.length);
    // One form of Unicode, in which names are compared: files differ in it between systems.
    this.#categories.push({ ...category, name: category.name.normalize("NFC") });
  }

  addImage({ id, fileName, width, height }: DetectionImage, position: number): void {
    const record: RecordName = { what: "image", id, position };
    for (const [field, side] of [["width", width], ["height", height]] as const) {
      if (!(Number.isInteger(side) && side >= 1 && side <= LONGEST_SIDE))
        this.source.fail(field, record, `a whole number from 1 to ${LONGEST_SIDE}`, side);
    }
    if (width * height > MOST_PIXELS)
      this.source.failWith("size", record, `at most ${MOST_PIXELS} pixels`, `${width}×${height}`);
    if (!isRelativePath(fileName))
      this.source.fail("file name", record, "a path within the folder of the images", fileName);
    const columns = this.#columns;
    columns.imageIds.push(id);
    columns.widths.push(width);
    columns.heights.push(height);
    columns.fileNames.push(fileName);
    this.#imagePositions.push(position);
  }

  addAnnotation(annotation: NewAnnotation, position: number): void {
    const { id, imageId, categoryId, box, area, crowd, difficult = false } = annotation;
    const { ids, categories, boxes, areas, flags } = this.#columns;
    const record: RecordName = { what: "annotation", id, image: imageId, position };
    const far = box.find((value) => !(Math.abs(value) <= LARGEST_COORDINATE));
    if (far !== undefined) this.source.fail("box", record, `numbers up to ${LARGEST_COORDINATE}`, far);
    const outlineFlags = this.#addOutline(annotation, record);
    ids.push(id);
    categories.push(categoryId);
    for (const value of box) boxes.push(value);
    areas.push(area ?? box[2] * box[3]);
    flags.push(outlineFlags | (crowd ? FLAG.crowd : 0) | (difficult ? FLAG.difficult : 0));
    this.#annotations.imageIds.push(imageId);
    this.#annotations.positions.push(position);
  }

  /** Checks ids and references and returns the result. @param onTurn - Called regularly; may throw to stop. */
  async finish(onTurn: () => void = () => undefined): Promise<DetectionAnnotations> {
    const sorted = this.#categories.toSorted((a, b) => a.id - b.id);
    for (const [index, { id }] of sorted.entries()) this.#categoryIndices.set(id, index);
    const turns: Turns = { next: async () => {
      onTurn();
      await setImmediate();
    } };
    const images = await this.#tableOfImages(turns);
    const firsts = await this.#resolveAnnotations(images, turns);
    const order = await this.#orderByImage(firsts, turns);
    return new DetectionAnnotations(sorted, this.#columns, { ...order, imageIndexOf: (id) => images.get(id) },
      this.#reportOf(order));
  }

  #addOutline({ outline }: NewAnnotation, record: RecordName): number {
    const { outlineStarts, outlineCounts, segmentations } = this.#columns;
    if (outline === "missing") return this.#addMissingMask(record);
    if (outline?.kind === "rle") {
      outlineStarts.push(segmentations.addRle(outline.characters, outline.height, outline.width));
      outlineCounts.push(1);
      return FLAG.rle;
    }
    const polygons = outline?.polygons ?? [];
    const indices = polygons.filter((polygon, part) => this.#isPolygon(polygon, part, record)).map((polygon) =>
      segmentations.addPolygon(polygon)
    );
    outlineStarts.push(indices[0] ?? 0);
    outlineCounts.push(indices.length);
    if (polygons.length === 0 || indices.length > 0) return 0;
    this.#dropped.outlines += 1;
    return FLAG.dropped;
  }

  #addMissingMask(record: RecordName): number {
    const refuse = (): never => this.source.failWith("mask", record, "at least one pixel", "none", DROP_FIX);
    if (this.invalidBoxes === "error") refuse();
    this.#drop("outlines", refuse);
    this.#columns.outlineStarts.push(0);
    this.#columns.outlineCounts.push(0);
    return FLAG.dropped;
  }

  #isPolygon(polygon: ArrayLike<number>, part: number, record: RecordName): boolean {
    for (let i = 0; i < polygon.length; ++i) {
      const value: unknown = polygon[i];
      if (!(typeof value === "number" && Math.abs(value) <= LARGEST_COORDINATE))
        this.source.fail(`polygon ${part}`, record, `finite numbers up to ${LARGEST_COORDINATE} at [${i}]`, value);
    }
    if (polygon.length >= 6 && polygon.length % 2 === 0) return true;
    const refuse = (): never =>
      this.source.failWith(`polygon ${part}`, record, "an even count of at least 6 numbers", `${polygon.length}`,
        DROP_FIX);
    if (this.invalidBoxes === "error") refuse();
    this.#drop("polygons", refuse);
    return false;
  }

  async #tableOfImages(turns: Turns): Promise<IdTable> {
    const { imageIds } = this.#columns;
    const table = new IdTable(imageIds.length);
    for (let index = 0; index < imageIds.length; ++index) {
      if (index % TURN === 0) await turns.next();
      const id = imageIds.at(index);
      if (table.add(id, index) !== undefined)
        this.source.fail("id", { what: "image", id, position: this.#imagePositions.at(index) }, "one image of each id",
          id);
    }
    return table;
  }

  /** Replaces ids by indices, and counts the annotations of each image: `firsts` of {@link AnnotationOrder}. */
  async #resolveAnnotations(images: IdTable, turns: Turns): Promise<Uint32Array> {
    const { ids, categories, flags } = this.#columns;
    const { imageIds } = this.#annotations;
    const table = new IdTable(ids.length);
    const firsts = new Uint32Array(this.imageCount + 1);
    for (let index = 0; index < ids.length; ++index) {
      if (index % TURN === 0) await turns.next();
      const [id, image, category] = [ids.at(index), imageIds.at(index), categories.at(index)];
      if (table.add(id, index) !== undefined)
        this.source.fail("id", this.#nameOf(index), "one annotation of each id", id);
      const imageIndex = images.get(image) ??
        this.source.fail("image id", this.#nameOf(index), "the id of an image", image);
      const categoryIndex = this.#categoryIndices.get(category) ??
        this.source.fail("category id", this.#nameOf(index), "the id of a category", category);
      this.#checkSizes(index, imageIndex);
      categories.set(index, categoryIndex);
      imageIds.set(index, imageIndex);
      if ((flags.at(index) & FLAG.dropped) === 0) increment(firsts, imageIndex + 1);
    }
    for (let index = 0; index < this.imageCount; ++index) increment(firsts, index + 1, firsts[index]);
    return firsts;
  }

  /** The name of an annotation whose ids are not replaced yet. */
  #nameOf(index: number): RecordName {
    const { imageIds, positions } = this.#annotations;
    return { what: "annotation", id: this.#columns.ids.at(index), image: imageIds.at(index),
      position: positions.at(index) };
  }

  /** Compares an annotation's box and mask with its image. */
  #checkSizes(index: number, imageIndex: number): void {
    const { boxes, flags, widths, heights, outlineStarts, segmentations } = this.#columns;
    const [width, height] = [widths.at(imageIndex), heights.at(imageIndex)];
    if ((flags.at(index) & FLAG.rle) !== 0) {
      const [rleHeight, rleWidth] = segmentations.rleSize(outlineStarts.at(index));
      if (rleHeight !== height || rleWidth !== width) {
        this.source.failWith("mask", this.#nameOf(index), `the image's height and width, ${height}×${width}`,
          `${rleHeight}×${rleWidth}`);
      }
    }
    const box = [boxes.at(4 * index), boxes.at(4 * index + 1), boxes.at(4 * index + 2), boxes.at(4 * index + 3)];
    const [x1, y1, x2, y2] = clipped(box, width, height);
    if (x2 - x1 >= SMALLEST_SIDE && y2 - y1 >= SMALLEST_SIDE) return;
    const refuse = (): never =>
      this.source.failWith("box", this.#nameOf(index),
        `x, y, width, height with an area within the image of ${width}×${height}, sides of at least 1/128 pixel`,
        box.join(", "), DROP_FIX);
    if (this.invalidBoxes === "error") refuse();
    this.#drop("boxes", refuse);
    flags.set(index, flags.at(index) | FLAG.dropped);
  }

  /** Counts what is left out, and keeps the first few messages that `refuse` throws. */
  #drop(what: "boxes" | "outlines" | "polygons", refuse: () => never): void {
    this.#dropped[what] += 1;
    if (this.#dropped.examples.length === EXAMPLES) return;
    try {
      refuse();
    } catch (error) {
      this.#dropped.examples.push((error as Error).message);
    }
  }

  async #orderByImage(firsts: Uint32Array, turns: Turns): Promise<Pick<AnnotationOrder, "firsts" | "order">> {
    const { flags } = this.#columns;
    const order = new Uint32Array(firsts[this.imageCount] as number);
    const next = firsts.slice();
    for (let index = 0; index < flags.length; ++index) {
      if (index % TURN === 0) await turns.next();
      if ((flags.at(index) & FLAG.dropped) !== 0) continue;
      const image = this.#annotations.imageIds.at(index);
      order[increment(next, image) - 1] = index;
    }
    return { firsts, order };
  }

  #reportOf({ firsts }: Pick<AnnotationOrder, "firsts">): AnnotationReport {
    let emptyImages = 0;
    for (let index = 0; index < this.imageCount; ++index) if (firsts[index] === firsts[index + 1]) emptyImages += 1;
    const { boxes, polygons, outlines, examples } = this.#dropped;
    return { droppedBoxes: boxes, droppedPolygons: polygons, droppedOutlines: outlines, examples, emptyImages };
  }
}

/** Whether a path leads into a folder and not out of it, on any system. */
function isRelativePath(path: string): boolean {
  return !path.includes("\0") && !/^(?:[\\/]|[a-z]:)/i.test(path) && !path.split(/[\\/]/).includes("..");
}

/** Adds to a number of a list, and returns the sum. */
function increment(counts: Uint32Array, index: number, by = 1): number {
  return counts[index] = (counts[index] ?? 0) + by;
}
