import { printable } from "./format.js";

/** Names shown of a list. */
const SHOWN = 5;

/** The first few names, safe to print, and the number of the others. */
export function shortList(names: readonly string[]): string {
  const rest = names.length - SHOWN;
  return `${names.slice(0, SHOWN).map(printable).join(", ")}${rest > 0 ? `, and ${rest} more` : ""}`;
}
