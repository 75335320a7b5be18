import type { LoadReport } from "../../index.js";
import { printable } from "./format.js";
import type { Output } from "./output.js";

/** Names shown of each kind. */
const SHOWN = 5;

/** Says what was done to a file's names, and what of it or of the network was left out. */
export function showLoadReport(output: Output, path: string, report: LoadReport | null): void {
  for (const line of report === null ? [] : loadNotices(report)) output.notice(`${path}: ${line}`);
}

/** One line for each thing that a user would not expect. */
export function loadNotices({ prefixes, layout, leftAside, missing, unexpected, mismatched }: LoadReport): string[] {
  const list = (what: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : [`${what} ${shortList(names)}`];
  return [
    ...(prefixes.length === 0 ? [] : [`took ${prefixes.map(printable).join(" ")} off all names`]),
    ...(layout === "" ? [] : [`renamed the entries of ${layout}`]),
    ...list("left aside, as no network has them:", leftAside),
    ...list("not in the file, so that these keep their initial values:", missing),
    ...list("not loaded, as the network has no such entries:", unexpected),
    ...list("not loaded, because of other shapes:", mismatched.map(({ name }) => name)),
  ];
}

/** The first few names, and the number of the others. */
export function shortList(names: readonly string[]): string {
  const rest = names.length - SHOWN;
  return `${names.slice(0, SHOWN).map(printable).join(", ")}${rest > 0 ? `, and ${rest} more` : ""}`;
}
