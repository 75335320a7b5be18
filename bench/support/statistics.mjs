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

/** Median, quartiles and extremes; in milliseconds where seconds are given. */
export function spreadMs(seconds) {
  const ms = seconds.map((value) => 1000 * value);
  return { median: median(ms), lowest: Math.min(...ms), quarter: quantile(ms, 0.25), threeQuarters: quantile(ms, 0.75), highest: Math.max(...ms), runs: ms.length };
}
