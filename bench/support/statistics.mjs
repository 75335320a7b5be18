// Medians and spread of repeated measurements.

export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median, quartiles and extremes. */
export function spread(values) {
  return { median: median(values), lowest: Math.min(...values), quarter: quantile(values, 0.25),
    threeQuarters: quantile(values, 0.75), highest: Math.max(...values), runs: values.length };
}

/** The same of durations in seconds, in milliseconds. */
export const spreadMs = (seconds) => spread(seconds.map((value) => 1000 * value));

/**
 * The spread of `dividend(round) / divisor(round)`: a machine's speed changes less within a round than between rounds.
 */
export const spreadOfRatios = (rounds, dividend, divisor) =>
  spread(rounds.map((round) => dividend(round) / divisor(round)));

/** The least-squares line through these points, and the share of the variance that it explains. */
export function linearFit(x, y) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [centerX, centerY] = [mean(x), mean(y)];
  const products = (left, right) => left.reduce((sum, value, index) => sum + value * right[index], 0);
  const [dx, dy] = [x.map((value) => value - centerX), y.map((value) => value - centerY)];
  const slope = products(dx, dy) / products(dx, dx);
  const r2 = products(dx, dy) ** 2 / (products(dx, dx) * products(dy, dy));
  return { intercept: centerY - slope * centerX, slope, r2 };
}
