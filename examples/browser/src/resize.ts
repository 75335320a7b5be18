// Bilinear resizing with antialiasing, as torchvision and reviewkd do it. A canvas resizes as its browser likes to.

/** A side that is resized from so many pixels to so many others, of which a part is kept. */
export interface Side {
  readonly from: number;
  readonly to: number;
  readonly start: number;
  readonly length: number;
}

/** Some rows of an image, four bytes a pixel, from row `top`. */
export interface Strip {
  readonly top: number;
  readonly rows: number;
  readonly rgba: Uint8Array | Uint8ClampedArray;
}

/** Resizes an image; returns RGB bytes `[vertical.length, horizontal.length, 3]`. */
export async function resize(strips: AsyncIterable<Strip>, horizontal: Side,
  vertical: Side): Promise<Uint8ClampedArray<ArrayBuffer>> {
  const columns = weightsOf(horizontal);
  const lines = weightsOf(vertical);
  const width = columns.length * 3;
  const sums = new Float32Array(lines.length * width);
  for await (const { top, rows, rgba } of strips) {
    for (let row = 0; row < rows; ++row) {
      // Most rows are a part of two lines of the result; those outside of what is kept are a part of none.
      const parts = lines.flatMap(({ first, weights }, line) => {
        const weight = weights[top + row - first];
        return weight === undefined ? [] : [{ weight, line }];
      });
      if (parts.length === 0) continue;
      const resized = resizeRow(rgba.subarray(row * horizontal.from * 4), columns);
      for (const { weight, line } of parts)
        for (let index = 0, at = line * width; index < width; ++index, ++at)
          sums[at] = (sums[at] ?? 0) + weight * (resized[index] ?? 0);
    }
  }
  // Rounds to bytes.
  return Uint8ClampedArray.from(sums);
}

/** The pixels that become one, from `first`, and the share of each. */
interface Weights {
  readonly first: number;
  readonly weights: readonly number[];
}

/**
 * A triangle around each new pixel, as wide as two of them: narrower ones would skip pixels when they shrink. So that
 * the page sees what Node sees, two traits of libvips are kept, by which reviewkd resizes there: it averages blocks of
 * pixels before it shrinks to less than half, and what it enlarges is half a new pixel further to the right and below.
 */
function weightsOf({ from, to, start, length }: Side): Weights[] {
  const block = Math.max(1, Math.floor(from / to / 2));
  const blocks = Math.ceil(from / block);
  const scale = from / block / to;
  const support = Math.max(1, scale);
  return Array.from({ length }, (_, index) => {
    const center = scale < 1 ? (start + index) * scale : (start + index + 0.5) * scale;
    const [low, high] = [Math.floor(center - support), Math.ceil(center + support)];
    const first = clamp(low, blocks) * block;
    const weights: number[] = [];
    let sum = 0;
    for (let position = low; position <= high; ++position) {
      const weight = Math.max(0, 1 - Math.abs(position + 0.5 - center) / support);
      sum += weight;
      for (let pixel = 0; pixel < block; ++pixel) {
        const at = clamp(clamp(position, blocks) * block + pixel, from) - first;
        weights[at] = (weights[at] ?? 0) + weight / block;
      }
    }
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** The outermost pixels continue beyond the edges. */
function clamp(position: number, count: number): number {
  return Math.min(Math.max(position, 0), count - 1);
}

function resizeRow(rgba: Strip["rgba"], columns: readonly Weights[]): Float32Array {
  const row = new Float32Array(columns.length * 3);
  for (const [column, { first, weights }] of columns.entries()) {
    let [red, green, blue, at] = [0, 0, 0, first * 4];
    for (const weight of weights) {
      red += weight * (rgba[at] ?? 0);
      green += weight * (rgba[at + 1] ?? 0);
      blue += weight * (rgba[at + 2] ?? 0);
      at += 4;
    }
    row.set([red, green, blue], column * 3);
  }
  return row;
}
