/** How far an image is from another, in steps of bytes. */
export interface PixelDifference {
  readonly most: number;
  readonly mean: number;
  /** The mean with its sign: positive if the image is too light. */
  readonly bias: number;
}

export function differenceOf(found: ArrayLike<number>, expected: ArrayLike<number>): PixelDifference {
  if (found.length !== expected.length) throw new Error(`expected ${expected.length} bytes, received ${found.length}`);
  let [most, sum, signed] = [0, 0, 0];
  for (let at = 0; at < found.length; ++at) {
    const difference = found[at]! - expected[at]!;
    most = Math.max(most, Math.abs(difference));
    sum += Math.abs(difference);
    signed += difference;
  }
  return { most, mean: sum / found.length, bias: signed / found.length };
}
