import { distance } from "fastest-levenshtein";
import { isReviewKdError, ReviewKdError } from "../errors.js";

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
export function didYouMean(name: string, candidates: readonly string[]): string {
  const near = nearestName(name, candidates);
  return near === undefined ? "" : `; did you mean "${near}"?`;
}

/** An `UNKNOWN_NAME` error with the nearest of the names; any other error, or without one close, as it was. */
export function withNearestName(error: unknown, name: string, candidates: readonly string[]): unknown {
  if (!isReviewKdError(error) || error.code !== "UNKNOWN_NAME") return error;
  const suggestion = didYouMean(name, candidates);
  if (suggestion === "") return error;
  return new ReviewKdError("UNKNOWN_NAME", error.message.replace(/\.$/, suggestion), { valid: [...error.valid],
    cause: error });
}

/**
 * The entry of this name.
 *
 * @param others - Names of the same role without an entry here, one of which may have been meant.
 * @throws `UNKNOWN_NAME`, listing the names, for the value that `role` describes.
 */
export function findByName<Entry extends { readonly name: string }>(entries: readonly Entry[], name: string,
  role: string, others: readonly string[] = []): Entry {
  const found = entries.find((entry) => entry.name === name);
  if (found !== undefined) return found;
  const valid = entries.map((entry) => entry.name);
  const meant = didYouMean(name, [...valid, ...others]) || ".";
  const message = `invalid ${role}: expected ${listed(valid)}, received "${name}"${meant}`;
  throw new ReviewKdError("UNKNOWN_NAME", message, { valid: [...valid, ...others] });
}

/** `a, b or c`. */
export function listed(texts: readonly string[]): string {
  const last = texts.at(-1) ?? "";
  return texts.length < 2 ? last : `${texts.slice(0, -1).join(", ")} or ${last}`;
}
