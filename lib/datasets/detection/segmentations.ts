import { PagedArray } from "./paged-array.js";

/** A mask as COCO writes it: runs of equal pixels, column by column, zeros first. */
export interface Rle {
  readonly size: readonly [height: number, width: number];
  /** COCO's compressed string. */
  readonly counts: string;
}

/** The outline of an object: polygons `x1, y1, x2, y2, …`, whose union counts, or a mask. */
export type Segmentation =
  | { readonly kind: "polygons"; readonly polygons: readonly (readonly number[])[] }
  | { readonly kind: "rle"; readonly rle: Rle };

/** COCO's coordinates have two decimals, so that they are kept as hundredths, exactly and in half the memory. */
const SCALE = 100;
const LARGEST = 2 ** 31 - 1;

/** Polygons and masks of all annotations, compact: numbers and characters in pages, which become objects one by one. */
export class Segmentations {
  readonly #hundredths = new PagedArray(Int32Array);
  readonly #doubles = new PagedArray(Float64Array);
  /** The polygon's first number: in hundredths from 0 up, in doubles as -1 - index. */
  readonly #starts = new PagedArray(Float64Array);
  readonly #lengths = new PagedArray(Uint32Array);
  readonly #characters = new PagedArray(Uint8Array);
  readonly #rleStarts = new PagedArray(Float64Array);
  readonly #rleLengths = new PagedArray(Uint32Array);
  readonly #heights = new PagedArray(Uint32Array);
  readonly #widths = new PagedArray(Uint32Array);

  /** Adds a polygon, and returns its index. */
  addPolygon(numbers: ArrayLike<number>): number {
    const exact = isHundredths(numbers);
    const target = exact ? this.#hundredths : this.#doubles;
    this.#starts.push(exact ? target.length : -1 - target.length);
    this.#lengths.push(numbers.length);
    for (let i = 0; i < numbers.length; ++i) {
      const value = numbers[i] as number;
      target.push(exact ? Math.round(value * SCALE) : value);
    }
    return this.#starts.length - 1;
  }

  polygon(index: number): number[] {
    const [start, length] = [this.#starts.at(index), this.#lengths.at(index)];
    return Array.from({ length },
      (_, i) => start >= 0 ? this.#hundredths.at(start + i) / SCALE : this.#doubles.at(-1 - start + i));
  }

  /** Adds a compressed mask, and returns its index. */
  addRle(characters: Uint8Array, height: number, width: number): number {
    this.#rleStarts.push(this.#characters.length);
    this.#rleLengths.push(characters.length);
    this.#heights.push(height);
    this.#widths.push(width);
    for (const character of characters) this.#characters.push(character);
    return this.#rleStarts.length - 1;
  }

  rleSize(index: number): readonly [height: number, width: number] {
    return [this.#heights.at(index), this.#widths.at(index)];
  }

  rle(index: number): Rle {
    const [start, length] = [this.#rleStarts.at(index), this.#rleLengths.at(index)];
    const characters = Uint8Array.from({ length }, (_, i) => this.#characters.at(start + i));
    return { size: this.rleSize(index), counts: Buffer.from(characters.buffer).toString("latin1") };
  }
}

/** Whether every number is exactly a whole number of hundredths, as far as a double is exact. */
function isHundredths(numbers: ArrayLike<number>): boolean {
  for (let i = 0; i < numbers.length; ++i) {
    const value = numbers[i] as number;
    const hundredths = Math.round(value * SCALE);
    if (hundredths / SCALE !== value || Math.abs(hundredths) > LARGEST) return false;
  }
  return true;
}
