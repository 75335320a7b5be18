// Masks as COCO stores them: runs, column by column. Functions of `masks` in the package's index.
import { z } from "zod";
import { nativeTensor, Tensor } from "../api/tensor.js";
import { parse, valueText } from "../config/validation.js";
import type { Rle } from "../config/schemas/detection/evaluation.js";
import { ReviewKdError } from "../errors.js";
import { addon } from "../native.js";
import type { NativeMask, NativeTensor } from "../native-types.js";

const EncodeOptions = z.strictObject({ compressed: z.boolean().default(true) });
const MergeOptions = z.strictObject({ intersect: z.boolean().default(false) });

/**
 * Encodes a mask.
 *
 * @param mask - uint8 `[height, width]`; each pixel that is not 0 belongs to it.
 * @param options - `compressed: false` for a list of runs instead of COCO's string.
 * @throws ReviewKdError `DTYPE_MISMATCH`, `SHAPE_MISMATCH`, `DISPOSED`, `INVALID_ARGUMENT`.
 * @example
 * ```ts
 * const rle = await masks.encode(Tensor.from(Uint8Array.of(0, 1, 1, 1), [2, 2])); // { size: [2, 2], counts: "13" }
 * ```
 */
export async function encode(mask: Tensor, options: { compressed?: boolean } = {}): Promise<Rle> {
  const { compressed } = parse(EncodeOptions, options, "options of encode");
  return toRle(await addon().encodeMask(tensorOf(mask, "mask"), compressed));
}

/**
 * Encodes the masks of an image, as a detector returns them.
 *
 * @param masks - uint8 `[N, height, width]`.
 * @param options - as for {@link encode}.
 * @throws ReviewKdError `DTYPE_MISMATCH`, `SHAPE_MISMATCH`, `DISPOSED`, `INVALID_ARGUMENT`.
 */
export async function encodeAll(masks: Tensor, options: { compressed?: boolean } = {}): Promise<Rle[]> {
  const { compressed } = parse(EncodeOptions, options, "options of encodeAll");
  return (await addon().encodeMasks(tensorOf(masks, "masks"), compressed)).map(toRle);
}

/** The pixels of a mask, uint8 `[height, width]` of 0 and 1. @throws ReviewKdError `INVALID_ARGUMENT`. */
export async function decode(rle: Rle): Promise<Tensor> {
  return Tensor.wrap(await addon().decodeMask(toNative(rle, "mask")));
}

/** The same mask with COCO's string. @throws ReviewKdError `INVALID_ARGUMENT`. */
export async function compress(rle: Rle): Promise<Rle> {
  return toRle(await addon().convertMask(toNative(rle, "mask"), true));
}

/** The same mask with a list of runs. @throws ReviewKdError `INVALID_ARGUMENT`. */
export async function decompress(rle: Rle): Promise<Rle> {
  return toRle(await addon().convertMask(toNative(rle, "mask"), false));
}

/** The number of pixels that belong to a mask. @throws ReviewKdError `INVALID_ARGUMENT`. */
export async function area(rle: Rle): Promise<number> {
  return addon().maskArea(toNative(rle, "mask"));
}

/**
 * The smallest box around a mask: x, y of its left upper corner, width, height; zeros for an empty one.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT`.
 */
export async function toBox(rle: Rle): Promise<[x: number, y: number, width: number, height: number]> {
  return addon().maskBox(toNative(rle, "mask"));
}

/**
 * The mask of one or more polygons, their union, by COCO's own rule, which differs from drawing libraries.
 *
 * @param polygons - each x0, y0, x1, y1, … with at least three points, in pixels.
 * @throws ReviewKdError `INVALID_ARGUMENT` for other lists, coordinates that are not finite, and outlines longer than
 * three million pixels.
 * @example
 * ```ts
 * const rle = await masks.fromPolygons([[2, 2, 20, 3, 18, 17]], 20, 24);
 * ```
 */
export async function fromPolygons(polygons: readonly (readonly number[])[], height: number,
  width: number): Promise<Rle> {
  const lists = listOf(polygons, "polygons").map((polygon, index) => numbersOf(polygon, `polygons[${index}]`));
  const numbers = new Float64Array(lists.reduce((sum, { length }) => sum + length + 1, 0));
  let position = 0;
  for (const list of lists) {
    numbers[position] = list.length;
    numbers.set(list, position + 1);
    position += list.length + 1;
  }
  return toRle(await addon().maskFromPolygons(numbers, height, width));
}

/**
 * The mask of a box.
 *
 * @param box - x, y of the left upper corner, width, height, in pixels.
 * @throws ReviewKdError `INVALID_ARGUMENT`.
 */
export async function fromBox(box: readonly number[], height: number, width: number): Promise<Rle> {
  return toRle(await addon().maskFromBox(numbersOf(box, "box"), height, width));
}

/**
 * The union of masks, or their intersection.
 *
 * @throws ReviewKdError `SHAPE_MISMATCH` unless all have one size, `INVALID_ARGUMENT`.
 */
export async function merge(rles: readonly Rle[], options: { intersect?: boolean } = {}): Promise<Rle> {
  const { intersect } = parse(MergeOptions, options, "options of merge");
  return toRle(await addon().mergeMasks(toNatives(rles, "masks"), intersect));
}

/**
 * Intersection over union of each detection with each truth, or over the detection's own area where the truth is a
 * crowd, a region with several objects.
 *
 * @param crowd - one value for each truth.
 * @returns float64 `[detections, truths]`.
 * @throws ReviewKdError `SHAPE_MISMATCH` unless all have one size, `INVALID_ARGUMENT`.
 */
export async function iou(detections: readonly Rle[], truths: readonly Rle[],
  crowd: readonly boolean[]): Promise<Tensor> {
  return Tensor.wrap(
    await addon().maskOverlaps(toNatives(detections, "detections"), toNatives(truths, "truths"), crowdsOf(crowd)),
  );
}

/**
 * The same for boxes.
 *
 * @param detections - x, y of the left upper corner, width, height: `[N, 4]`, floating point.
 * @returns `[detections, truths]` of the type of `detections`.
 * @throws ReviewKdError `SHAPE_MISMATCH`, `DTYPE_MISMATCH`, `DISPOSED`, `INVALID_ARGUMENT`.
 */
export async function boxIou(detections: Tensor, truths: Tensor, crowd: readonly boolean[]): Promise<Tensor> {
  return Tensor.wrap(
    await addon().boxOverlaps(tensorOf(detections, "detections"), tensorOf(truths, "truths"), crowdsOf(crowd)),
  );
}

function invalid(what: string, expected: string, received: unknown): ReviewKdError {
  return new ReviewKdError("INVALID_ARGUMENT",
    `invalid ${what}: expected ${expected}, received ${valueText(received)}.`);
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(what, "an array", value);
  return Array.from(value as readonly unknown[]);
}

function numbersOf(value: unknown, what: string): Float64Array {
  const list = listOf(value, what);
  const wrong = list.findIndex((element) => typeof element !== "number");
  if (wrong >= 0) throw invalid(`${what}[${wrong}]`, "a number", list[wrong]);
  return Float64Array.from(list as readonly number[]);
}

function crowdsOf(crowd: unknown): Uint8Array {
  return Uint8Array.from(listOf(crowd, "crowd"), (value) => (value === true || value === 1 ? 1 : 0));
}

function tensorOf(tensor: unknown, what: string): NativeTensor {
  return nativeTensor(tensor, what);
}

function toNatives(rles: unknown, what: string): NativeMask[] {
  return listOf(rles, what).map((rle, index) => toNative(rle, `${what}[${index}]`));
}

function toNative(rle: unknown, what: string): NativeMask {
  const { size, counts } = (rle ?? {}) as Partial<Record<string, unknown>>;
  if (!Array.isArray(size) || size.length !== 2)
    throw invalid(`size of ${what}`, "[height, width]", size);
  return { height: size[0] as number, width: size[1] as number,
    counts: typeof counts === "string" ? counts : numbersOf(counts, `counts of ${what}`) };
}

function toRle({ height, width, counts }: NativeMask): Rle {
  return { size: [height, width], counts: typeof counts === "string" ? counts : Array.from(counts) };
}
