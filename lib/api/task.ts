import { z } from "zod";
import { assertObject, parse, valueText } from "../config/validation.js";
import { ReviewKdError } from "../errors.js";
import { addon } from "../native.js";
import type { BestEpoch } from "../config/schemas/epoch.js";
import type { MetricInfo, TaskInfo } from "../config/schemas/task.js";

/** The task of the networks in the registry, all of which are classifiers. */
export function registryTask(): TaskInfo {
  const [classification] = addon().listTasks();
  if (classification === undefined)
    throw new ReviewKdError("INTERNAL", "invalid list of tasks: expected one or more, received none.");
  return classification;
}

/**
 * A value that a task names, such as a metric of an evaluation.
 *
 * @throws `INVALID_ARGUMENT`: there is no such number.
 */
export function namedValue(values: object, name: string): number {
  assertObject(values, "results");
  parse(z.string(), name, "name of a result");
  const value = (values as Readonly<Record<string, unknown>>)[name];
  if (typeof value === "number") return value;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid results: expected a number for ${name}, received ${valueText(value)}. Pass results of a task with this metric.`);
}

/** The same, or `undefined` if there is none: a Faster R-CNN has no precision of masks. */
export function valueIfNamed(values: object, name: string): number | undefined {
  return name in values ? namedValue(values, name) : undefined;
}

/** The parts of a task and of a metric that are read here. */
const Task = z.looseObject({ name: z.string(), primaryMetric: z.string(),
  metrics: z.array(z.looseObject({ name: z.string() })) });
const Unit = z.looseObject({ unit: z.string() });
const Decimals = z.int().min(0).max(100);

/** The metric by which a task chooses the best epoch. */
export function primaryMetric(task: TaskInfo): MetricInfo {
  parse(Task, task, "task");
  const metric = task.metrics.find(({ name }) => name === task.primaryMetric);
  if (metric !== undefined) return metric;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid task ${task.name}: expected the metric ${task.primaryMetric}, received ${task.metrics.map(({ name }) => name).join(", ")}.`);
}

/**
 * Decimals with which results of a metric and their differences are compared: `ofPercentage` of a percentage, three of
 * a number without a unit, such as an average precision.
 */
export function metricDecimals(metric: Pick<MetricInfo, "unit">, ofPercentage: number): number {
  const { unit } = parse(Unit, metric, "metric");
  parse(Decimals, ofPercentage, "number of decimals");
  return unit === "%" ? ofPercentage : 3;
}

/** A value in these decimals with its unit, such as 71.3 % or 0.412. */
export function metricText(metric: Pick<MetricInfo, "unit">, value: number, ofPercentage: number): string {
  if (typeof value !== "number") parse(z.number(), value, "value of a metric");
  return `${value.toFixed(metricDecimals(metric, ofPercentage))}${metric.unit === "" ? "" : ` ${metric.unit}`}`;
}

/** Whether a value is better than another one; NaN is worse than any number, equal values are no improvement. */
export function isBetter({ higherIsBetter }: MetricInfo, value: number, before: number): boolean {
  if (Number.isNaN(value)) return false;
  if (Number.isNaN(before)) return true;
  return higherIsBetter ? value > before : value < before;
}

/** An epoch with its primary metric, under the name that the task gives it. */
export function bestEpoch(epoch: number, metric: string, value: number): BestEpoch {
  const best: object = { epoch, [metric]: value };
  return best as BestEpoch;
}

/** The name of the primary metric that a best epoch was chosen by. */
export function primaryNameOf(best: BestEpoch): string | undefined {
  return Object.keys(best).find((name) => name !== "epoch");
}
