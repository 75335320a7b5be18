/**
 * Slow, readable operations on feature maps, for comparison with the native ones. Everything is in double precision.
 */
import { Tensor } from "../../lib/index.js";
import { valuesOf } from "./numeric.js";

/** A map `[N, C, H, W]`. */
export class FeatureMap {
  constructor(
    readonly n: number,
    readonly c: number,
    readonly h: number,
    readonly w: number,
    readonly values = new Float64Array(n * c * h * w),
  ) {}

  static of(tensor: Tensor): FeatureMap {
    const [n, c, h, w] = tensor.shape;
    return new FeatureMap(n!, c!, h!, w!, Float64Array.from(valuesOf(tensor)));
  }

  /** Built element by element. */
  static from(n: number, c: number, h: number, w: number,
    at: (n: number, c: number, y: number, x: number) => number): FeatureMap {
    const map = new FeatureMap(n, c, h, w);
    for (let index = 0; index < map.values.length; index++) {
      const row = Math.floor(index / w);
      const channel = Math.floor(row / h);
      map.values[index] = at(Math.floor(channel / c), channel % c, row % h, index % w);
    }
    return map;
  }

  get shape(): [number, number, number, number] {
    return [this.n, this.c, this.h, this.w];
  }

  /** An element; 0 outside the map, as zero padding has it. */
  at(n: number, c: number, y: number, x: number): number {
    if (y < 0 || x < 0 || y >= this.h || x >= this.w) return 0;
    return this.values[((n * this.c + c) * this.h + y) * this.w + x]!;
  }

  tensor(): Tensor {
    return Tensor.from(this.values, this.shape);
  }
}

/** Convolution of stride 1 that keeps the size; weight `[out, in, k, k]`, k odd. */
export function convolve(x: FeatureMap, weight: FeatureMap, bias?: readonly number[]): FeatureMap {
  const reach = (weight.h - 1) / 2;
  return FeatureMap.from(x.n, weight.n, x.h, x.w, (n, out, y, column) => {
    let sum = bias?.[out] ?? 0;
    for (let c = 0; c < x.c; c++) {
      for (let dy = -reach; dy <= reach; dy++) {
        for (let dx = -reach; dx <= reach; dx++)
          sum += weight.at(out, c, dy + reach, dx + reach) * x.at(n, c, y + dy, column + dx);
      }
    }
    return sum;
  });
}

/** Batch normalization with the statistics of the batch itself. */
export function normalizeBatch(x: FeatureMap, scale: readonly number[], shift: readonly number[],
  epsilon = 1e-5): FeatureMap {
  const pixels = x.h * x.w;
  const channelOf = (index: number): number => Math.floor(index / pixels) % x.c;
  const mean = new Array<number>(x.c).fill(0);
  const variance = new Array<number>(x.c).fill(0);
  for (const [i, value] of x.values.entries()) mean[channelOf(i)]! += value / (x.n * pixels);
  for (const [i, value] of x.values.entries())
    variance[channelOf(i)]! += (value - mean[channelOf(i)]!) ** 2 / (x.n * pixels);
  return FeatureMap.from(x.n, x.c, x.h, x.w,
    (n, c, y, column) =>
      ((x.at(n, c, y, column) - mean[c]!) / Math.sqrt(variance[c]! + epsilon)) * scale[c]! + shift[c]!);
}

/** Each pixel takes the value of the pixel of `x` that contains its corner. */
export function resizeNearest(x: FeatureMap, h: number, w: number): FeatureMap {
  return FeatureMap.from(x.n, x.c, h, w,
    (n, c, y, column) => x.at(n, c, Math.floor((y * x.h) / h), Math.floor((column * x.w) / w)));
}

/** Concatenates the channels. */
export function concatenate(a: FeatureMap, b: FeatureMap): FeatureMap {
  return FeatureMap.from(a.n, a.c + b.c, a.h, a.w,
    (n, c, y, x) => (c < a.c ? a.at(n, c, y, x) : b.at(n, c - a.c, y, x)));
}

/**
 * Means over `cells` × `cells` parts that cover the map; parts share rows and columns if it does not divide evenly.
 */
export function averageCells(x: FeatureMap, cells: number): FeatureMap {
  const range = (cell: number,
    length: number): [number, number] => [Math.floor((cell * length) / cells),
    Math.ceil(((cell + 1) * length) / cells)];
  return FeatureMap.from(x.n, x.c, cells, cells, (n, c, i, j) => {
    const [top, bottom] = range(i, x.h);
    const [left, right] = range(j, x.w);
    let sum = 0;
    for (let y = top; y < bottom; y++) for (let column = left; column < right; column++) sum += x.at(n, c, y, column);
    return sum / ((bottom - top) * (right - left));
  });
}

/** Mean of the squared differences. */
export function meanSquaredError(a: FeatureMap, b: FeatureMap): number {
  return a.values.reduce((sum, value, i) => sum + (value - b.values[i]!) ** 2, 0) / a.values.length;
}

/** Hierarchical context loss: whole maps first, then ever coarser averages at half the weight each. */
export function referenceHcl(student: FeatureMap, teacher: FeatureMap): number {
  let loss = meanSquaredError(student, teacher);
  let weight = 1;
  let weights = 1;
  for (const cells of [4, 2, 1]) {
    if (cells >= student.h) continue;
    weight /= 2;
    weights += weight;
    loss += weight * meanSquaredError(averageCells(student, cells), averageCells(teacher, cells));
  }
  return loss / weights;
}
