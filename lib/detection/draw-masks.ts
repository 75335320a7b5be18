import type { DecodedImage } from "../images/decode-image.js";
import { tint, type Rgb } from "./draw-colors.js";

const FILL_OPACITY = 0.4;
const OUTLINE_OPACITY = 0.95;
/** The outline's share of white, by which it differs from an area of its own class. */
const OUTLINE_TINT = 0.35;

/** Columns `left` to `right` and rows `top` to `bottom`, without the last ones. */
interface Region {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * Paints a mask over an image: a translucent area with a soft outline, smooth since both follow the mask's mean over
 * (2 · radius + 1)² pixels, which passes through one half at the edge.
 *
 * @param image - its pixels are changed.
 * @param runs - the mask as COCO counts it: column by column, zeros first.
 * @param radius - half the width of the outline in pixels, from 1 to 127.
 */
export function paintMask(image: DecodedImage, runs: readonly number[], color: Rgb, radius: number): void {
  const region = paddedRegion(image, runs, radius);
  if (region === undefined) return;
  const width = region.right - region.left;
  const sums = rowSums(maskIn(region, image, runs), width, radius);
  const rows = region.bottom - region.top;
  const side = 2 * radius + 1;
  const outline = tint(color, OUTLINE_TINT);
  // Sums of `side` rows, moved down one row at a time.
  const columns = new Uint32Array(width);
  const add = (row: number, sign: 1 | -1): void => {
    if (row < 0 || row >= rows) return;
    for (let x = 0; x < width; ++x) columns[x] = (columns[x] ?? 0) + sign * (sums[row * width + x] ?? 0);
  };
  for (let row = 0; row < radius; ++row) add(row, 1);
  for (let row = 0; row < rows; ++row) {
    add(row + radius, 1);
    const offset = 3 * ((region.top + row) * image.width + region.left);
    for (let x = 0; x < width; ++x) {
      const sum = columns[x] ?? 0;
      if (sum > 0) paintPixel(image.pixels, offset + 3 * x, sum / (side * side), color, outline);
    }
    add(row - radius, -1);
  }
}

/** Paints a pixel. share: of its neighbourhood that belongs to the mask. */
function paintPixel(pixels: Uint8Array, at: number, share: number, color: Rgb, outline: Rgb): void {
  const edge = OUTLINE_OPACITY * (1 - Math.abs(2 * share - 1));
  for (let channel = 0; channel < 3; ++channel) {
    const below = pixels[at + channel] ?? 0;
    const filled = below + FILL_OPACITY * share * ((color[channel] ?? 0) - below);
    pixels[at + channel] = Math.round(filled + edge * ((outline[channel] ?? 0) - filled));
  }
}

/** Calls `visit` with each run of ones within a column. */
function eachRun(height: number, runs: readonly number[],
  visit: (column: number, top: number, bottom: number) => void): void {
  let position = 0;
  runs.forEach((length, index) => {
    const end = position + length;
    for (let start = position; index % 2 === 1 && start < end;) {
      const column = Math.floor(start / height);
      const bottom = Math.min(end, (column + 1) * height);
      visit(column, start - column * height, bottom - column * height);
      start = bottom;
    }
    position = end;
  });
}

/** The part of the image that painting changes; undefined for an empty mask. */
function paddedRegion({ width, height }: DecodedImage, runs: readonly number[], radius: number): Region | undefined {
  let [left, top, right, bottom] = [width, height, 0, 0];
  eachRun(height, runs, (column, first, last) => {
    left = Math.min(left, column);
    right = Math.max(right, column + 1);
    top = Math.min(top, first);
    bottom = Math.max(bottom, last);
  });
  if (right === 0) return undefined;
  return { left: Math.max(0, left - radius), top: Math.max(0, top - radius), right: Math.min(width, right + radius),
    bottom: Math.min(height, bottom + radius) };
}

/** The mask's pixels in a region, row by row. */
function maskIn({ left, top, right, bottom }: Region, { height }: DecodedImage, runs: readonly number[]): Uint8Array {
  const width = right - left;
  const mask = new Uint8Array(width * (bottom - top));
  eachRun(height, runs, (column, first, last) => {
    for (let y = first; y < last; ++y) mask[(y - top) * width + column - left] = 1;
  });
  return mask;
}

/** For each pixel the sum over its row, `radius` pixels to both sides. */
function rowSums(mask: Uint8Array, width: number, radius: number): Uint8Array {
  const sums = new Uint8Array(mask.length);
  for (let begin = 0; begin < mask.length; begin += width) {
    let sum = 0;
    for (let x = 0; x < Math.min(radius, width); ++x) sum += mask[begin + x] ?? 0;
    for (let x = 0; x < width; ++x) {
      if (x + radius < width) sum += mask[begin + x + radius] ?? 0;
      sums[begin + x] = sum;
      if (x >= radius) sum -= mask[begin + x - radius] ?? 0;
    }
  }
  return sums;
}
