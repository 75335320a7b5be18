// Check the elements of annotations and results one by one. Hand-written instead of schemas, because there are hundreds
// of thousands of them.
import type { DetectionEvaluationOptions } from "../config/schemas/detection/evaluation.js";
import type { NativeDetectionEvaluation } from "../native-types.js";
import type { CocoSource } from "./coco-source.js";
import { FLAG, isBox, isCount, type InstanceRows, type Row } from "./instance-rows.js";

type Fields = Readonly<Record<string, unknown>>;

const NO_BOX = [0, 0, 0, 0] as const;
const BOX = "[x, y, width, height] with finite numbers, width and height ≥ 0";
const UNIQUE = "Each id identifies one element.";

function fieldsOf(source: CocoSource, element: unknown, place: string): Fields {
  if (typeof element !== "object" || element === null) throw source.invalid(place, "an object", element);
  return element as Fields;
}

/** The id of an element, which no other one has. */
function uniqueId(source: CocoSource, id: unknown, seen: { has(id: number): boolean }, place: string): number {
  if (!Number.isSafeInteger(id)) throw source.invalid(`${place}.id`, "a whole number", id);
  if (seen.has(id as number)) throw source.invalid(`${place}.id`, "an id that no other has", id, UNIQUE);
  return id as number;
}

export class CategoryReader {
  readonly #ids = new Set<number>();

  constructor(private readonly source: CocoSource) {}

  readonly visit = (element: unknown, index: number): void => {
    const place = `categories[${index}]`;
    this.#ids.add(uniqueId(this.source, fieldsOf(this.source, element, place)["id"], this.#ids, place));
  };

  sortedIds(): number[] {
    return [...this.#ids].sort((a, b) => a - b);
  }
}

export class ImageReader {
  readonly #positions = new Map<number, number>();
  readonly #sizes: number[] = [];

  constructor(private readonly source: CocoSource, private readonly kind: "bbox" | "segm") {}

  readonly visit = (element: unknown, index: number): void => {
    const place = `images[${index}]`;
    const { id, height, width } = fieldsOf(this.source, element, place);
    const unique = uniqueId(this.source, id, this.#positions, place);
    const isSized = isCount(height) && height > 0 && isCount(width) && width > 0;
    if (this.kind === "segm" && !isSized) {
      const [side, value] = isCount(height) && height > 0 ? ["width", width] : ["height", height];
      throw this.source.invalid(`${place}.${side}`, "a whole number of pixels > 0", value,
        "Masks are compared in the size of their image.");
    }
    this.#positions.set(unique, this.#positions.size);
    // Without a size, the image has no masks.
    this.#sizes.push(isSized ? height : 0, isSized ? width : 0);
  };

  position(id: unknown): number | undefined {
    return this.#positions.get(id as number);
  }

  hasSize(position: number): boolean {
    return this.#sizes[2 * position] !== 0;
  }

  addTo(native: NativeDetectionEvaluation): void {
    native.addImages(Float64Array.from(this.#positions.keys()), Float64Array.from(this.#sizes));
  }
}

/** The images, categories and options that instances refer to. */
export interface Known {
  readonly images: ImageReader;
  /** Positions by id. */
  readonly categories: ReadonlyMap<number, number>;
  readonly options: DetectionEvaluationOptions;
}

/** Checks common to truths and detections. */
abstract class InstanceReader {
  constructor(protected readonly source: CocoSource, protected readonly known: Known,
    private readonly rows: InstanceRows, private readonly list: "annotations" | "detections") {}

  readonly visit = (element: unknown, index: number): void => {
    const fields = fieldsOf(this.source, element, `${this.list}[${index}]`);
    const image = this.known.images.position(fields["image_id"]);
    if (image === undefined) {
      throw this.source.invalid(`${this.list}[${index}].image_id`, "the id of an image of the ground truth",
        fields["image_id"], "Evaluate on the images that were detected on.");
    }
    const category = this.known.categories.get(fields["category_id"] as number);
    if (category === undefined) {
      throw this.source.invalid(`${this.list}[${index}].category_id`, "the id of a category of the ground truth",
        fields["category_id"], "Ids are those of the annotations, which may have gaps, not positions.");
    }
    this.rows.add({ image, category, ...this.read(fields, index, image) });
  };

  protected abstract read(fields: Fields, index: number, image: number): Omit<Row, "image" | "category">;

  /** The box in `fields`; undefined without one, which results write as an empty list, too. */
  protected box({ bbox }: Fields, index: number): Row["box"] | undefined {
    if (bbox === undefined || bbox === null || (Array.isArray(bbox) && bbox.length === 0)) return undefined;
    if (!isBox(bbox)) throw this.invalid(index, "bbox", BOX, bbox);
    return bbox;
  }

  protected flag(fields: Fields, name: string, index: number): boolean {
    const value = fields[name];
    if (value === undefined || value === 0 || value === false) return false;
    if (value === 1 || value === true) return true;
    throw this.invalid(index, name, "0 or 1", value);
  }

  protected invalid(index: number, field: string, expected: string, received: unknown, fix?: string): Error {
    return this.source.invalid(`${this.list}[${index}].${field}`, expected, received, fix);
  }
}

export class AnnotationReader extends InstanceReader {
  readonly #ids = new Set<number>();

  constructor(source: CocoSource, known: Known, rows: InstanceRows) {
    super(source, known, rows, "annotations");
  }

  protected read(fields: Fields, index: number): Omit<Row, "image" | "category"> {
    const { kind, metric, idZeroAsReference } = this.known.options;
    const id = uniqueId(this.source, fields["id"], this.#ids, `annotations[${index}]`);
    this.#ids.add(id);
    const { area } = fields;
    const segmentation = kind === "segm" ? fields["segmentation"] ?? undefined : undefined;
    const box = kind === "bbox" ? this.box(fields, index) : NO_BOX;
    if (box === undefined) throw this.invalid(index, "bbox", BOX, fields["bbox"]);
    if (kind === "segm" && segmentation === undefined)
      throw this.invalid(index, "segmentation", "polygons or runs", segmentation, 'Evaluate boxes with kind "bbox".');
    if (metric === "coco" && !(typeof area === "number" && area >= 0 && area < Infinity)) {
      throw this.invalid(index, "area", "a finite number ≥ 0", area,
        "It is the number of pixels of the mask, or width · height where there are boxes alone.");
    }
    const isDifficult = metric !== "coco" && this.flag(fields, "difficult", index);
    const flags = (this.flag(fields, "iscrowd", index) ? FLAG.crowd : 0) | (isDifficult ? FLAG.difficult : 0) |
      (idZeroAsReference && id === 0 ? FLAG.lost : 0) | FLAG.hasBox;
    return { flags, box, area: metric === "coco" ? area as number : 0, score: 0, segmentation };
  }
}

export class DetectionReader extends InstanceReader {
  constructor(source: CocoSource, known: Known, rows: InstanceRows) {
    super(source, known, rows, "detections");
  }

  protected read(fields: Fields, index: number, image: number): Omit<Row, "image" | "category"> {
    const { score } = fields;
    if (typeof score !== "number" || !Number.isFinite(score))
      throw this.invalid(index, "score", "a finite number", score);
    const box = this.box(fields, index);
    const isMaskNeeded = this.known.options.kind === "segm" || box === undefined;
    const segmentation = isMaskNeeded ? fields["segmentation"] ?? undefined : undefined;
    if (box === undefined && segmentation === undefined)
      throw this.invalid(index, "bbox", `${BOX}, or a segmentation`, fields["bbox"]);
    if (isMaskNeeded && !this.known.images.hasSize(image)) {
      throw this.invalid(index, "segmentation", "the mask of an image with height and width", fields["segmentation"],
        "Add them to the images of the ground truth.");
    }
    return { flags: box === undefined ? 0 : FLAG.hasBox, box: box ?? NO_BOX, area: 0, score, segmentation };
  }
}
