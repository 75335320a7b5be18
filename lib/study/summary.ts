import type { CellResult, ConditionResult, Spread } from "../config/schemas/study.js";
import { meanAndDeviation } from "./statistics.js";
import { aloneCellId } from "./cells.js";
import { STUDENT_ALONE, type Condition } from "./conditions.js";

/** Means and deviations of a condition over its completed cells; gains compare cells with the same seed. */
export function summarize(condition: Condition, cells: readonly CellResult[], options: { readonly published: boolean }): ConditionResult {
  const done = cells.filter((cell) => cell.condition === condition.id && cell.status === "done");
  return {
    ...condition,
    seeds: done.map(({ seed }) => seed),
    last: spread(done.map(({ last }) => last?.top1)),
    best: spread(done.map(({ best }) => best?.top1)),
    gain: condition.id === STUDENT_ALONE.id ? null : spread(done.map((cell) => difference(cell, cells))),
    published: options.published ? condition.published : null,
  };
}

/** Gain in percentage points over the student alone with the same seed; `undefined` unless both are done. */
function difference({ seed, last }: CellResult, cells: readonly CellResult[]): number | undefined {
  const alone = cells.find(({ id }) => id === aloneCellId(seed))?.last ?? null;
  return last === null || alone === null ? undefined : last.top1 - alone.top1;
}

function spread(values: readonly (number | undefined)[]): Spread | null {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? null : meanAndDeviation(known);
}
