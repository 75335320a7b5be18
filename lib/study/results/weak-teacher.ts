import { isBetter, metricText, namedValue } from "../../api/task.js";
import type { CellResult } from "../../config/schemas/study.js";
import type { MetricInfo } from "../../config/schemas/task.js";

/** A warning that a student trained alone is better than the teacher of its study; `undefined` if it is not. */
export function weakTeacherNotice(metric: MetricInfo, teacher: number,
  { seed, last }: Pick<CellResult, "seed" | "last">): string | undefined {
  if (last === null) return undefined;
  const alone = namedValue(last, metric.name);
  if (!isBetter(metric, alone, teacher)) return undefined;
  const text = (value: number): string => metricText(metric, value, 2);
  const results = `${metric.title} ${text(teacher)} against ${text(alone)} with seed ${seed}`;
  return `warning: the teacher is worse than the student alone: ${results}. Distilled students may become worse, too. Begin a new study with better weights of the teacher, or with more epochs or other seeds if the study trains it.`;
}
