import { isBetter, metricDecimals, namedValue } from "../api/task.js";
import type { Evaluation } from "../config/schemas/epoch.js";
import type { MetricInfo } from "../config/schemas/task.js";

/** A warning that a student alone is better than the teacher of its study; `undefined` if it is not. */
export function weakTeacherNotice(metric: MetricInfo, teacher: number, alone: Evaluation): string | undefined {
  const student = namedValue(alone, metric.name);
  if (!isBetter(metric, student, teacher)) return undefined;
  const text = (value: number) => `${value.toFixed(metricDecimals(metric, 2))}${metric.unit && ` ${metric.unit}`}`;
  const results = `${metric.label} ${text(teacher)} against ${text(student)}`;
  return `warning: the teacher is worse than the student alone: ${results}. A student hardly learns from such a teacher: train it longer or with other seeds, or pass weights of a better one.`;
}
