import { z } from "zod";
import { Measurement } from "../../config/schemas/common.js";
import { parse } from "../../config/validation.js";
import { ReviewKdError } from "../../errors.js";

const Arguments = z.strictObject({ values: z.array(Measurement) });

/**
 * Mean and sample standard deviation; the deviation of a single value is `null`.
 *
 * @throws `INVALID_ARGUMENT`: no values, or one that is no number.
 *
 * @example
 * ```ts
 * const { mean, deviation } = meanAndDeviation([71.2, 71.9, 71.5]);
 * ```
 */
export function meanAndDeviation(values: readonly number[]): { mean: number; deviation: number | null } {
  parse(Arguments, { values }, "arguments of meanAndDeviation");
  if (values.length === 0)
    throw new ReviewKdError("INVALID_ARGUMENT", "invalid values for a mean: expected one or more, received none.");
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2) return { mean, deviation: null };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}
