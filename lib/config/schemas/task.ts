import { z } from "zod";

/** A loss that a task adds to the total. */
export const LossInfo = z.strictObject({
  /** Its field in `losses`. */
  name: z.string(),
  /** For tables. */
  label: z.string(),
});
export interface LossInfo extends z.infer<typeof LossInfo> {}

/** A result of an evaluation. */
export const MetricInfo = z.strictObject({
  /** Its field in evaluations. */
  name: z.string(),
  /** For tables, and for sentences. */
  label: z.string(),
  title: z.string(),
  /** `"%"`, or empty for a plain number. */
  unit: z.string(),
  higherIsBetter: z.boolean(),
});
export interface MetricInfo extends z.infer<typeof MetricInfo> {}

/** The losses that a training minimizes, and the metrics that judge it. */
export const TaskInfo = z.strictObject({
  name: z.string(),
  losses: z.array(LossInfo).min(1),
  metrics: z.array(MetricInfo).min(1),
  /** The metric by which the best epoch is chosen. */
  primaryMetric: z.string(),
  /** The field of epochs with a metric of the training images; `null` if there is none. */
  trainingMetric: z.string().nullable(),
});
export interface TaskInfo extends z.infer<typeof TaskInfo> {}
