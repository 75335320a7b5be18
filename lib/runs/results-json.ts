// Results in JSON, which has no numbers that are not finite: `JSON.stringify` writes null, which is read here as NaN.

/** Keys of evaluations and of the best epoch in what a run records. No value within them is null for another reason. */
const RESULTS: ReadonlySet<string> = new Set(["test", "last", "best"]);

/** The value of a recorded JSON text, or `undefined` if it is invalid. */
export function parseResults(text: string): unknown {
  try {
    return JSON.parse(text, (key, value: unknown) => (RESULTS.has(key) && value !== null ? withNaN(value) : value));
  } catch {
    return undefined;
  }
}

function withNaN(value: unknown): unknown {
  if (value === null) return Number.NaN;
  if (Array.isArray(value)) return value.map(withNaN);
  if (typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withNaN(inner)]));
}
