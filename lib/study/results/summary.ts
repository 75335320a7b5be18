import type { CellResult, ConditionResult, Spread } from "../../config/schemas/study.js";
import type { MetricInfo, TaskInfo } from "../../config/schemas/task.js";
import { meanAndDeviation } from "./statistics.js";
import { namedValue, primaryMetric } from "../../api/task.js";
import type { Condition } from "../plan/conditions.js";

/** Means and deviations of a condition's primary metric over its finished cells; gains pair cells of one seed. */
export function summarize(given: Condition, cells: readonly CellResult[],
  options: { readonly published: boolean; readonly taskInfo: TaskInfo }): ConditionResult {
  const { id, label, method, stage, teacherStage, settings, baseline } = given;
  const condition = { id, label, method, stage, teacherStage, settings, baseline };
  const metric = primaryMetric(options.taskInfo);
  const valueOf = (result: object | null) => (result === null ? undefined : namedValue(result, metric.name));
  const done = cells.filter((cell) => cell.condition === condition.id && cell.status === "done");
  return {
    ...condition,
    seeds: done.map(({ seed }) => seed),
    last: spread(done.map(({ last }) => valueOf(last))),
    best: spread(done.map(({ best }) => valueOf(best))),
    gain: condition.baseline === null ? null
      : spread(done.map((cell) => improvement(cell, cells, { baseline: condition.baseline, metric }))),
    published: options.published ? given.published : null,
  };
}

/** By how much a cell is better than that of the baseline with the same seed, if both are done. */
function improvement({ seed, last }: CellResult, cells: readonly CellResult[],
  { baseline, metric: { name, higherIsBetter } }: { readonly baseline: string | null; readonly metric: MetricInfo }
):
  | number
  | undefined {
  const alone = cells.find((cell) => cell.condition === baseline && cell.seed === seed)?.last ?? null;
  if (last === null || alone === null) return undefined;
  const difference = namedValue(last, name) - namedValue(alone, name);
  return higherIsBetter ? difference : -difference;
}

function spread(values: readonly (number | undefined)[]): Spread | null {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? null : meanAndDeviation(known);
}
