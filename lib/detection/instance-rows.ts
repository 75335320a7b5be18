// Packs truths and detections into columns of numbers, in pieces that native code copies.
import type { NativeDetectionEvaluation } from "../native-types.js";
import type { CocoSource } from "./coco-source.js";

/** How native code stores a segmentation: `SegmentationForm` in native/core/tasks/detection/instance_table.h. */
const FORM = { none: 0, string: 1, counts: 2, polygons: 3 } as const;

/** Bits of a row's flags: `InstanceRows` there. */
export const FLAG = { crowd: 1, difficult: 2, lost: 4, hasBox: 8 } as const;

/** Rows that are packed before native code copies them, and numbers of their segmentations. */
const MOST_ROWS = 1024;
const MOST_NUMBERS = 2 ** 16;

const VALUES = 6;

/** Coordinates far from any image, whose products are finite. */
const LARGEST = 2 ** 53;

export interface Row {
  readonly image: number;
  readonly category: number;
  readonly flags: number;
  /** x, y, width, height; zeros without a box. */
  readonly box: readonly [number, number, number, number];
  readonly area: number;
  readonly score: number;
  readonly segmentation: unknown;
}

export class InstanceRows {
  readonly #image = new Uint32Array(MOST_ROWS);
  readonly #category = new Uint32Array(MOST_ROWS);
  readonly #flags = new Uint8Array(MOST_ROWS);
  readonly #values = new Float64Array(MOST_ROWS * VALUES);
  readonly #forms = new Uint8Array(MOST_ROWS);
  readonly #sizes = new Float64Array(2 * MOST_ROWS);
  readonly #numberEnds = new Uint32Array(MOST_ROWS);
  readonly #textEnds = new Uint32Array(MOST_ROWS);
  #numbers: number[] = [];
  #texts: string[] = [];
  #textLength = 0;
  #rows = 0;
  #first = 0;

  constructor(private readonly native: NativeDetectionEvaluation, private readonly source: CocoSource,
    private readonly list: "annotations" | "detections") {}

  add({ image, category, flags, box, area, score, segmentation }: Row): void {
    const row = this.#rows;
    this.#forms[row] = segmentation === undefined ? FORM.none : this.#addSegmentation(segmentation, row);
    this.#image[row] = image;
    this.#category[row] = category;
    this.#flags[row] = flags;
    this.#values.set(box, row * VALUES);
    this.#values[row * VALUES + 4] = area;
    this.#values[row * VALUES + 5] = score;
    this.#numberEnds[row] = this.#numbers.length;
    this.#textEnds[row] = this.#textLength;
    if (++this.#rows === MOST_ROWS || this.#numbers.length + this.#textLength > MOST_NUMBERS) this.flush();
  }

  /** Passes what was packed to native code. */
  flush(): void {
    const rows = this.#rows;
    const hasForms = this.#forms.subarray(0, rows).some((form) => form !== FORM.none);
    const part = hasForms ? rows : 0;
    this.native.addRows({
      areTruths: this.list === "annotations",
      first: this.#first,
      image: this.#image.subarray(0, rows),
      category: this.#category.subarray(0, rows),
      flags: this.#flags.subarray(0, rows),
      values: this.#values.subarray(0, rows * VALUES),
      forms: this.#forms.subarray(0, part),
      sizes: this.#sizes.subarray(0, 2 * part),
      numberEnds: this.#numberEnds.subarray(0, part),
      textEnds: this.#textEnds.subarray(0, part),
      numbers: Float64Array.from(this.#numbers),
      text: this.#texts.join(""),
    });
    this.#first += rows;
    this.#rows = 0;
    this.#numbers = [];
    this.#texts = [];
    this.#textLength = 0;
  }

  /** Appends a segmentation's numbers or characters, and returns its form. */
  #addSegmentation(segmentation: unknown, row: number): number {
    const place = `${this.list}[${this.#first + row}].segmentation`;
    if (Array.isArray(segmentation)) {
      for (const polygon of segmentation as unknown[]) this.#addPolygon(polygon, place);
      return FORM.polygons;
    }
    const { size, counts } = (segmentation ?? {}) as Partial<Record<string, unknown>>;
    if (!Array.isArray(size) || size.length !== 2 || !size.every(isCount))
      throw this.source.invalid(place, "polygons, or an object with size, [height, width], and counts", segmentation);
    this.#sizes.set(size, 2 * row);
    if (typeof counts === "string") {
      // Native code counts bytes.
      if (/[^0-o]/.test(counts)) throw this.source.invalid(`${place}.counts`, 'characters from "0" to "o"', counts);
      this.#texts.push(counts);
      this.#textLength += counts.length;
      return FORM.string;
    }
    this.#addNumbers(counts, `${place}.counts`);
    return FORM.counts;
  }

  #addPolygon(polygon: unknown, place: string): void {
    this.#numbers.push(Array.isArray(polygon) ? polygon.length : 0);
    this.#addNumbers(polygon, place);
  }

  #addNumbers(numbers: unknown, place: string): void {
    if (!Array.isArray(numbers)) throw this.source.invalid(place, "a list of numbers", numbers);
    for (const number of numbers as unknown[]) {
      if (typeof number !== "number") throw this.source.invalid(place, "numbers", number);
      this.#numbers.push(number);
    }
  }
}

/** Whether a value is a whole number that native code can count with. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Whether a value is four finite numbers, the last two of which are ≥ 0. */
export function isBox(value: unknown): value is readonly [number, number, number, number] {
  if (!Array.isArray(value) || value.length !== 4) return false;
  const [x, y, width, height] = value as readonly unknown[];
  return isCoordinate(x) && isCoordinate(y) && isCoordinate(width) && width >= 0 && isCoordinate(height) && height >= 0;
}

function isCoordinate(value: unknown): value is number {
  return typeof value === "number" && Math.abs(value) <= LARGEST;
}
