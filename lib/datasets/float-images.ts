import type { Normalization } from "../config/schemas/data.js";
import { isTypedArray } from "../config/typed-arrays.js";
import { ReviewKdError } from "../errors.js";

/** Values that are looked at, evenly spaced: enough, because half of those of normalized images are below 0. */
const SAMPLES = 2 ** 16;

/**
 * Normalized images have no value above this: (1 - mean) / std is 20 for deviations as small as 0.05. Images that are
 * only scaled have none above 1.
 */
const LARGEST_NORMALIZED = 64;

/** Whether the normalization says that values are meant as they are. */
function isIdentity({ mean, std }: Normalization): boolean {
  return mean.every((value) => value === 0) && std.every((value) => value === 1);
}

/**
 * Refuses floats that are certainly the values 0 to 255 of pixels, and not normalized: none is below 0 and one is far
 * above 1. A network would train on them, badly.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT`, unless the normalization says that they are meant as they are.
 */
export function assertNormalized(name: string, images: Uint8Array | Uint8ClampedArray | Float32Array,
  normalization: Normalization | undefined): void {
  if (!isTypedArray(images, "Float32Array") || (normalization !== undefined && isIdentity(normalization))) return;
  let largest = 0;
  const step = Math.max(1, images.length / SAMPLES);
  for (let at = 0; at < images.length; at += step) {
    const value = images[Math.floor(at)] as number;
    // The addon names one that is not finite.
    if (value < 0 || !Number.isFinite(value)) return;
    if (value > largest) largest = value;
  }
  if (largest <= LARGEST_NORMALIZED) return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid ${name}: expected normalized floats, received values from 0 to ${Number(largest.toPrecision(6))}. Pass bytes as a Uint8Array, ` +
      "which is normalized, or (value / 255 - mean) / std; if the values are meant as they are, say so with " +
      "normalization: { mean: [0, 0, 0], std: [1, 1, 1] }.");
}
