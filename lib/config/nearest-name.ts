import { distance } from "fastest-levenshtein";

/** The candidate closest to `name`, whatever its case, with up to a third of wrong letters. */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  const allowed = Math.max(2, Math.floor(name.length / 3));
  let best: { candidate: string; edits: number } | undefined;
  for (const candidate of candidates) {
    const edits = distance(name.toLowerCase(), candidate.toLowerCase());
    if (edits <= allowed && edits < candidate.length && edits < (best?.edits ?? Infinity)) best = { candidate, edits };
  }
  return best?.candidate;
}

/** `; did you mean "…"?`, or an empty string if no candidate is close. */
export function didYouMean(name: unknown, candidates: readonly string[]): string {
  const near = typeof name === "string" ? nearestName(name, candidates) : undefined;
  return near === undefined ? "" : `; did you mean "${near}"?`;
}
