import type { TaskInfo } from "../../lib/config/schemas/task.js";

/** The task of classifiers, as the addon describes it. */
export const CLASSIFICATION: TaskInfo = {
  name: "classification",
  losses: [{ name: "crossEntropy", label: "ce" }],
  metrics: [
    { name: "top1", label: "top-1", title: "top-1 accuracy", unit: "%", higherIsBetter: true },
    { name: "top5", label: "top-5", title: "top-5 accuracy", unit: "%", higherIsBetter: true },
    { name: "loss", label: "loss", title: "mean cross entropy", unit: "", higherIsBetter: false },
  ],
  primaryMetric: "top1",
  trainingMetric: "top1",
};

/** The task of RetinaNet, as the addon describes it, with some of its metrics. */
export const DETECTION: TaskInfo = {
  name: "one-stage-detection",
  losses: [{ name: "classification", label: "cls" }, { name: "bboxRegression", label: "box" }],
  metrics: [
    { name: "ap", label: "AP", title: "average precision of boxes", unit: "", higherIsBetter: true },
    { name: "ap50", label: "AP50", title: "average precision of boxes at IoU 0.5", unit: "", higherIsBetter: true },
  ],
  primaryMetric: "ap",
  trainingMetric: null,
};

/**
 * A task of tests, of which the package knows nothing: several losses, no percentages, and the lowest error is the
 * best.
 */
export const REGRESSION: TaskInfo = {
  name: "regression",
  losses: [{ name: "squaredError", label: "mse" }, { name: "penalty", label: "penalty" }],
  metrics: [
    { name: "meanError", label: "error", title: "mean error", unit: "", higherIsBetter: false },
    { name: "withinOne", label: "within 1", title: "share within 1", unit: "%", higherIsBetter: true },
  ],
  primaryMetric: "meanError",
  trainingMetric: "meanError",
};
