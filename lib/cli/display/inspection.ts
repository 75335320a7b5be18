import type { WeightsInspection } from "../../index.js";
import { formatCount, printable } from "./format.js";
import { shortList } from "./short-list.js";

/** Changes and omissions of a conversion, and a warning if no network can be made of the result. */
export function conversionNotices({ selection, fit }: WeightsInspection): string[] {
  const { prefixes, leftAsideNames, unread } = selection;
  return [
    ...(prefixes.length === 0 ? [] : [`took ${quoted(prefixes)} off all names`]),
    ...(fit === null || fit.layout === "" ? [] : [`renamed the entries of ${fit.layout}`]),
    ...(leftAsideNames.length === 0 ? []
      : [`left aside, as the network has none of them: ${shortList(leftAsideNames)}`]),
    ...(unread.length === 0 ? [] : [`not read: ${unreadText(unread)}`]),
    ...fitWarning(fit),
  ];
}

/** Values that are not read, with their types. */
export function unreadText(unread: WeightsInspection["selection"]["unread"]): string {
  return shortList(unread.map(({ name, type }) => `${name === "" ? "the whole file" : name} (${type})`));
}

function fitWarning(fit: WeightsInspection["fit"]): string[] {
  if (fit === null) return ["warning: no network of `reviewkd models` has tensors of these names and shapes"];
  const { name, numClasses, matching, entries, differences: { unexpected }, difference } = fit;
  if (difference !== "") return [`warning: ${fit.layout} computes other outputs with these weights: ${difference}`];
  if (matching === entries && unexpected.length === 0) return [];
  const others = unexpected.length === 0 ? ""
    : `, and ${formatCount(unexpected.length)} tensors are none of its: ${shortList(unexpected)}`;
  return [
    `warning: no network fits; the nearest, ${name} with ${formatCount(numClasses)} classes, has ${formatCount(matching)} of its ${formatCount(entries)} entries in the file${others}`,
  ];
}

/** Prefixes, whose last letter is a dot. */
export function quoted(prefixes: readonly string[]): string {
  return prefixes.map((prefix) => `"${printable(prefix)}"`).join(" ");
}
