// Resizing as libvips 8.18 does it for reviewkd in Node: bilinear with antialiasing, rows before columns. A canvas
// resizes as its browser likes to, and networks notice small differences. So each rounding of libvips is repeated: of
// positions to 1/64 of a pixel, of weights down to 1/4096, and of pixels to bytes after each step.

/** A side that is resized from so many pixels to so many others, of which a part is kept. */
export interface Side {
  readonly from: number;
  readonly to: number;
  readonly start: number;
  readonly length: number;
}

/** Some rows of an image, from row `top`. */
export interface Strip {
  readonly top: number;
  readonly rows: number;
  readonly rgba: Line;
}

/** A row or a column of an image, four bytes a pixel. */
type Line = Uint8Array | Uint8ClampedArray;
type Lines = AsyncIterable<Line> | Iterable<Line>;

const WEIGHT_BITS = 12;
const ONE = 2 ** WEIGHT_BITS;
const POSITIONS = 64;

/** Resizes an image, whose sides both shrink or both grow; returns RGB bytes `[height, width, 3]` of what is kept. */
export async function resize(strips: AsyncIterable<Strip>, horizontal: Side,
  vertical: Side): Promise<Uint8ClampedArray<ArrayBuffer>> {
  const rows = rowsOf(strips, horizontal.from);
  if (horizontal.to > horizontal.from || vertical.to > vertical.from) return enlarge(rows, horizontal, vertical);
  const columns = await shrink(columnsOf(await shrink(rows, vertical), horizontal.from), horizontal);
  return rgbOf([...columnsOf(columns, vertical.length)]);
}

async function* rowsOf(strips: AsyncIterable<Strip>, width: number): AsyncGenerator<Line> {
  for await (const { rows, rgba } of strips)
    for (let row = 0; row < rows; ++row) yield rgba.subarray(row * width * 4, (row + 1) * width * 4);
}

/** The columns of rows, or the rows of columns. */
function* columnsOf(rows: readonly Line[], width: number): Generator<Line> {
  for (let x = 0; x < width; ++x) {
    const column = new Uint8Array(rows.length * 4);
    for (const [y, row] of rows.entries())
      for (let channel = 0; channel < 4; ++channel) column[y * 4 + channel] = row[x * 4 + channel] ?? 0;
    yield column;
  }
}

function rgbOf(rows: readonly Line[]): Uint8ClampedArray<ArrayBuffer> {
  return Uint8ClampedArray.from(rows.flatMap((row) => [...row.filter((_, at) => at % 4 !== 3)]));
}

/** Makes fewer lines of many, which are not in memory all at once; returns those of the new ones that are kept. */
async function shrink(lines: Lines, { from, to, start, length }: Side): Promise<Line[]> {
  // First by a whole number, which is fast, to twice to four times the size.
  const block = Math.max(1, Math.floor(from / to / 2));
  const count = Math.ceil(from / block);
  const scale = from / to / block;
  const kernels = Array.from({ length }, (_, index) => kernelOf((start + index + 0.5) * scale, scale));
  const shrunk: Line[] = [];
  let [recent, read]: [Line[], number] = [[], 0];
  for await (const mean of meansOf(lines, block)) {
    recent = [...recent, mean].slice(-(kernels[0]?.weights.length ?? 1));
    ++read;
    for (const { first, weights } of kernels.slice(shrunk.length)) {
      if (read < Math.min(first + weights.length, count)) break;
      const parts = weights.map((weight, tap) => {
        const line = recent[clamp(first + tap, count) - (read - recent.length)] ?? mean;
        return { line, weight };
      });
      shrunk.push(sum(parts, WEIGHT_BITS, ONE / 2));
    }
    if (shrunk.length === length) break;
  }
  return shrunk;
}

/** The lines that become one, from `first`, and the share of each in `ONE`. */
interface Kernel {
  readonly first: number;
  readonly weights: readonly number[];
}

/** A triangle around a position, as wide as two new lines: a narrower one would skip lines. */
function kernelOf(center: number, scale: number): Kernel {
  const middle = Math.floor(center);
  if (scale === 1) return { first: middle, weights: [ONE] };
  const reach = roundHalfToEven(scale);
  const top = reach - 0.5 + Math.round((center - middle) * POSITIONS) / POSITIONS;
  const heights = Array.from({ length: 2 * reach + 1 }, (_, tap) => Math.max(0, 1 - Math.abs(tap - top) / scale));
  const total = heights.reduce((one, other) => one + other);
  return { first: middle - reach, weights: heights.map((height) => Math.floor((height / total) * ONE)) };
}

/** The means of blocks of lines; of an incomplete block, the last line counts several times. */
async function* meansOf(lines: Lines, block: number): AsyncGenerator<Line> {
  const weight = Math.floor(2 ** 24 / block);
  const half = Math.floor(block / 2) * weight;
  let parts: { line: Line; weight: number }[] = [];
  for await (const line of lines) {
    parts.push({ line, weight });
    if (parts.length < block) continue;
    yield block === 1 ? line : sum(parts, 24, half);
    parts = [];
  }
  const last = parts.at(-1);
  if (last !== undefined) yield sum([...parts, ...Array.from({ length: block - parts.length }, () => last)], 24, half);
}

/** The weighted sum of lines in fixed point, of so many bits after the point, to which `half` is added to round it. */
function sum(parts: readonly { readonly line: Line; readonly weight: number }[], bits: number, half: number): Line {
  const sums = new Int32Array(parts[0]?.line.length ?? 0).fill(half);
  for (const { line, weight } of parts)
    for (let at = 0; at < sums.length; ++at) sums[at] = (sums[at] ?? 0) + Math.imul(weight, line[at] ?? 0);
  const bytes = new Uint8Array(sums.length);
  for (let at = 0; at < bytes.length; ++at) bytes[at] = (sums[at] ?? 0) >>> bits;
  return bytes;
}

/** As libvips 8.18 does it, between four pixels, and half a new pixel too far to the right and below. */
async function enlarge(rows: Lines, horizontal: Side, vertical: Side): Promise<Uint8ClampedArray<ArrayBuffer>> {
  const picture: Line[] = [];
  for await (const row of rows) picture.push(row);
  const samples = ({ from, to, start, length }: Side): { low: number; high: number; share: number }[] =>
    Array.from({ length }, (_, index) => {
      const position = ((start + index) * from) / to - 0.5;
      const low = Math.floor(position);
      return { low: clamp(low, from), high: clamp(low + 1, from), share: Math.floor((position - low) * ONE) };
    });
  const columns = samples(horizontal);
  const values = samples(vertical).flatMap((line) =>
    columns.flatMap((column) => {
      const lowerRight = (line.share * column.share) >> WEIGHT_BITS;
      const upperRight = ((ONE - line.share) * column.share) >> WEIGHT_BITS;
      const [upperLeft, lowerLeft] = [ONE - line.share - upperRight, line.share - lowerRight];
      return [0, 1, 2].map((channel) => {
        const at = (row: number, x: number): number => picture[row]?.[x * 4 + channel] ?? 0;
        return (at(line.low, column.low) * upperLeft + at(line.low, column.high) * upperRight +
          at(line.high, column.low) * lowerLeft + at(line.high, column.high) * lowerRight + ONE / 2) >> WEIGHT_BITS;
      });
    })
  );
  return Uint8ClampedArray.from(values);
}

/** The outermost pixels continue beyond the edges. */
function clamp(position: number, count: number): number {
  return Math.min(Math.max(position, 0), count - 1);
}

function roundHalfToEven(value: number): number {
  return value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value);
}
