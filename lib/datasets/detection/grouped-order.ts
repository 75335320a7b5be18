import { AspectRatios, GroupedOrderOptions,
  type GroupedOrderOptionsInput } from "../../config/schemas/detection/data.js";
import { parse, valueText } from "../../config/validation.js";
import { atCall, ReviewKdError } from "../../errors.js";
import { addon } from "../../native.js";

/**
 * The batches of an epoch, each of images of one range of aspect ratios where possible, so that little padding is
 * needed. A function of its arguments alone: a pass resumes at any batch of the list.
 *
 * Images are taken in the seeded order of `batches()`; a batch is complete when its group has enough of them. Images
 * that remain in incomplete groups follow at the end, neighbouring groups together, so that each image occurs exactly
 * once and the number of batches is always images / batchSize, rounded up; only the last batch can be smaller.
 * (torchvision repeats images to fill such batches, and drops others.)
 *
 * @param aspectRatios - Width / height of each image.
 * @returns indices of images, by batch.
 * @throws ReviewKdError `INVALID_ARGUMENT`
 *
 * @example
 * ```ts
 * const batches = await groupedOrder(annotations.aspectRatios(), { batchSize: 8, seed: 0, epoch: 3 });
 * for (const images of batches.slice(firstBatch)) await train(images);
 * ```
 */
export async function groupedOrder(aspectRatios: ArrayLike<number>,
  options: GroupedOrderOptionsInput): Promise<Uint32Array[]> {
  return atCall(orderOf(aspectRatios, options));
}

async function orderOf(aspectRatios: ArrayLike<number>, options: GroupedOrderOptionsInput): Promise<Uint32Array[]> {
  const { batchSize, seed, epoch, shuffle, groups: edges } = parse(GroupedOrderOptions, options,
    "options of groupedOrder");
  parse(AspectRatios, aspectRatios, "aspect ratios");
  const groups: number[][] = Array.from({ length: edges.length + 1 }, () => []);
  const batches: Uint32Array[] = [];
  for (const index of await addon().dataOrder(aspectRatios.length, seed, epoch, shuffle)) {
    const group = groups[groupOf(aspectRatios[index] as number, index, edges)] as number[];
    if (group.push(index) === batchSize) batches.push(Uint32Array.from(group.splice(0)));
  }
  const remaining = groups.flat();
  for (let first = 0; first < remaining.length; first += batchSize)
    batches.push(Uint32Array.from(remaining.slice(first, first + batchSize)));
  return batches;
}

/** More groups than images of any data set have ratios. */
const LARGEST_FACTOR = 2 ** 16;

/**
 * The edges of torchvision's groups for its `aspect_ratio_group_factor`: 2 · factor + 1 powers of 2 from ½ to 2, evenly
 * spaced in the exponent; for 0, upright and wide images.
 */
export function ratioEdges(factor: number): number[] {
  if (!Number.isInteger(factor) || factor < 0 || factor > LARGEST_FACTOR)
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid factor: expected a whole number from 0 to ${LARGEST_FACTOR}, received ${valueText(factor)}. Take 3, torchvision's for COCO.`);
  return factor === 0 ? [1] : Array.from({ length: 2 * factor + 1 }, (_, i) => 2 ** (i / factor - 1));
}

/** The shorter side that a training image is resized to: one of `sizes`, drawn for each image and epoch. */
export function drawSize(sizes: readonly number[], seed: number, epoch: number, index: number): number {
  const count = Array.isArray(sizes) ? sizes.length : 0;
  if (count === 0) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid sizes: expected at least one, received ${Array.isArray(sizes) ? "none" : valueText(sizes)}. Pass minSize as the only one.`);
  }
  // A window of one pixel in a row of `count` pixels has each of them with the same probability.
  const { left } = addon().randomResizedCrop(seed, epoch, index, 1, count, { scale: [1 / count, 1 / count],
    ratio: [1, 1] });
  return sizes[left] as number;
}

/** Whether a training image is mirrored, in half of the cases: drawn for each image and epoch, as for image folders. */
export function drawFlip(seed: number, epoch: number, index: number): boolean {
  return addon().randomResizedCrop(seed, epoch, index, 1, 1, { scale: [1, 1], ratio: [1, 1] }).flip;
}

/** The number of edges up to a ratio. */
function groupOf(ratio: number, index: number, edges: readonly number[]): number {
  if (!(ratio > 0 && ratio < Infinity))
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid aspectRatios[${index}]: expected a finite number above 0, received ${valueText(ratio)}. Pass width / height.`);
  const group = edges.findIndex((edge) => ratio < edge);
  return group < 0 ? edges.length : group;
}
