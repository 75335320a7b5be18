import { distance } from "fastest-levenshtein";
import { ReviewKdError } from "../errors.js";
import { WORD_ALIASES, type Aliases } from "./name-aliases.js";

/** A longer list of names stays out of a message's text: `valid` of the error has it. */
const LONGEST_LIST = 120;
const FEW = 3;

/** A name without case and punctuation: people write wrn_40_2, WRN-40-2 and wrn40.2. */
export function normalizedName(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
}

/**
 * The candidate that was meant by `name`: the same but for case and punctuation, one of its aliases, or the closest
 * with up to a third of wrong letters.
 *
 * @param aliases - Names that others use for them. Default: those of data sets, methods, schedules and the like.
 * @example
 * ```ts
 * const meant = nearestName("WRN_40_2", listModels().map(({ name }) => name)); // "wrn-40-2"
 * ```
 */
export function nearestName(name: string, candidates: readonly string[], aliases = WORD_ALIASES): string | undefined {
  assertNames(name, candidates);
  const known = knownName(name, candidates, aliases);
  if (known !== undefined) return known;
  for (let text = name, rules = [...aliases.rewrites ?? []]; rules.length > 0;) {
    const [pattern, replacement] = rules.shift() ?? [/$^/, ""];
    const next = text.replace(pattern, replacement);
    if (next === text) continue;
    text = next;
    const meant = knownName(text, candidates, aliases);
    if (meant !== undefined) return meant;
  }
  return closestName(name, candidates);
}

/** Plain checks: those of schemas use this module. */
function assertNames(name: unknown, candidates: unknown): void {
  if (typeof name === "string" && Array.isArray(candidates) && candidates.every((each) => typeof each === "string"))
    return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    "invalid names: expected a string and a list of strings, received others.");
}

function knownName(name: string, candidates: readonly string[], aliases: Aliases): string | undefined {
  const key = normalizedName(name);
  if (key === "") return undefined;
  return candidates.find((candidate) => normalizedName(candidate) === key) ??
    aliasesOf(name, aliases).find((alias) => candidates.includes(alias));
}

/** Our names for another one. */
export function aliasesOf(name: string, { names }: Aliases): readonly string[] {
  const key = normalizedName(name);
  return Object.hasOwn(names, key) ? names[key] ?? [] : [];
}

function closestName(name: string, candidates: readonly string[]): string | undefined {
  const allowed = Math.min(Math.max(2, Math.floor(name.length / 3)), Math.floor(name.length / 2));
  let best: { candidate: string; edits: number } | undefined;
  for (const candidate of candidates) {
    const edits = distance(name.toLowerCase(), candidate.toLowerCase());
    if (edits > allowed || edits >= candidate.length || edits >= (best?.edits ?? Infinity)) continue;
    // Another depth or width is another network.
    if (distance(digitsOf(name), digitsOf(candidate)) <= 1) best = { candidate, edits };
  }
  return best?.candidate;
}

/** Sorted, because exchanged digits are a slip of the fingers. */
function digitsOf(name: string): string {
  return (name.match(/\d/g) ?? []).sort().join("");
}

/** `; did you mean "…"?`, or an empty string if no candidate is close. */
export function didYouMean(name: string, candidates: readonly string[], aliases?: Aliases): string {
  const near = nearestName(name, candidates, aliases);
  return near === undefined ? "" : `; did you mean "${near}"?`;
}

/** The parts of an error about a name. */
interface UnknownName {
  /** A noun for the value: "preset". */
  readonly role: string;
  /** Names that are accepted. */
  readonly valid: readonly string[];
  /** Names of the same role that are not accepted here, one of which may have been meant. */
  readonly others?: readonly string[];
  readonly aliases?: Aliases;
  /** The expectation, if it is not one of the names. */
  readonly expected?: string;
  /** A sentence that says where all names are listed. */
  readonly lists?: string;
  readonly cause?: unknown;
}

/** An `UNKNOWN_NAME` error with the nearest name, or with the place that lists all; `valid` has them. */
export function unknownName(name: string,
  { role, valid, others = [], aliases, expected, lists, cause }: UnknownName): ReviewKdError {
  const meant = didYouMean(name, [...valid, ...others], aliases);
  return new ReviewKdError("UNKNOWN_NAME",
    `invalid ${role}: expected ${expected ?? listedBriefly(valid)}, received "${name}"${meant || `.${lists === undefined ? "" : ` ${lists}`}`}`, { valid, cause });
}

/**
 * The entry of this name.
 *
 * @param about - `role`, a noun for the name; `lists`, a sentence that says where all names are listed; and `aliases`.
 * @throws `UNKNOWN_NAME`; `valid` lists the names.
 */
export function findByName<Entry extends { readonly name: string }>(entries: readonly Entry[], name: string,
  about: Omit<UnknownName, "valid">): Entry {
  const found = entries.find((entry) => entry.name === name);
  if (found !== undefined) return found;
  throw unknownName(name, { ...about, valid: entries.map((entry) => entry.name) });
}

/** `a, b or c`. */
export function listed(texts: readonly string[]): string {
  const last = texts.at(-1) ?? "";
  return texts.length < 2 ? last : `${texts.slice(0, -1).join(", ")} or ${last}`;
}

/** `a, b or c`; of many names the first few, and how many there are: `valid` of an error has all. */
export function listedBriefly(names: readonly string[]): string {
  const list = listed(names);
  return list.length <= LONGEST_LIST ? list : `one of ${names.slice(0, FEW).join(", ")}, … (${names.length} in all)`;
}
