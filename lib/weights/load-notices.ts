import { z } from "zod";
import { LoadReport } from "../config/schemas/weights.js";
import { parse } from "../config/validation.js";

/** A detector's report has more. */
const Report = z.looseObject(LoadReport.shape);

/** Names shown of each kind. */
const SHOWN = 5;

/**
 * One line for each thing about a loaded file that a user would not expect: names that were changed, entries of it or
 * of the network that were left out.
 *
 * @example
 * ```ts
 * const model = await createModel("resnet20", { weights: "lightning.ckpt" });
 * for (const line of loadNotices(model.loadReport!)) console.log(line); // took "net." off all names
 * ```
 * @throws ReviewKdError `INVALID_ARGUMENT`.
 */
export function loadNotices(report: LoadReport): string[] {
  const { prefixes, layout, leftAside, missing, unexpected, mismatched } = parse(Report, report, "load report");
  const list = (what: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : [`${what} ${shortList(names)}`];
  return [
    ...(prefixes.length === 0 ? []
      : [`took ${prefixes.map((prefix) => `"${shown(prefix)}"`).join(" ")} off all names`]),
    ...(layout === "" ? [] : [`renamed the entries of ${layout}`]),
    ...list("left aside, as the network has none of them:", leftAside),
    ...list("not in the file, so that these keep their initial values:", missing),
    ...list("not loaded, as the network has no such entries:", unexpected),
    ...list("not loaded, because of other shapes:", mismatched.map(({ name }) => name)),
  ];
}

/** The first few names, and the number of the others. */
function shortList(names: readonly string[]): string {
  const rest = names.length - SHOWN;
  return `${names.slice(0, SHOWN).map(shown).join(", ")}${rest > 0 ? `, and ${rest} more` : ""}`;
}

/** A name from a file in one line of a message. */
function shown(name: string): string {
  return name.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, " ").slice(0, 200);
}
