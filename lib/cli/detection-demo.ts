import { join } from "node:path";
import { createDetector, fit, loadDataset, namedValue, primaryMetric, type FitEvent } from "../index.js";
import { createFitReporter } from "./display/fit-reporter.js";
import { formatCount, formatDuration, formatWithUnit } from "./display/format.js";
import type { Output } from "./display/output.js";
import { renderTable } from "./display/table.js";
import { DETECTION_DEMO, QUICK_DETECTION_DEMO } from "./options/demo-settings.js";

interface DetectionDemoContext {
  readonly output: Output;
  readonly seed: number;
  readonly quick: boolean;
  readonly signal: AbortSignal;
  /** Parent directory of the run directory; `undefined`: nothing is written. */
  readonly directory: string | undefined;
}

/** Trains a detector from scratch on drawn scenes, and prints COCO's average precision. */
export async function runDetectionDemo(
  { output, seed, quick, signal, directory }: DetectionDemoContext,
): Promise<void> {
  const { model, data: source, detection, training } = quick ? QUICK_DETECTION_DEMO : DETECTION_DEMO;
  using data = await loadDataset(source);
  using detector = await createDetector(model, { numClasses: data.numClasses + 1, seed, detection });
  output.line(`Drawing ${formatCount(data.train.size)} training and ${formatCount(data.test.size)} test scenes of ` +
    `${data.classNames.join(", ")}; ${model} with ${formatCount(detector.parameterCount())} parameters finds them.`);

  const reporter = createFitReporter(output, { part: "detector", seed }, { summary: false, notices: false });
  let end: Extract<FitEvent, { type: "end" }> | undefined;
  try {
    const runDirectory = directory === undefined ? undefined : join(directory, `detector-${seed}`);
    for await (const event of fit({ ...training, model: detector, data, seed, signal, runDirectory })) {
      reporter.handle(event);
      if (event.type === "end") end = event;
    }
  } finally {
    reporter.close();
  }
  if (end === undefined) throw new Error("the training of the detector ended without a result");

  const { last, seconds } = end;
  const { metrics } = detector.task;
  const primary = primaryMetric(detector.task);
  output.event({ type: "demo", task: "detection", seed, model, seconds, test: last });
  output.line(`\n${
    renderTable(["", model], metrics.slice(0, 3)
      .map((metric) => [metric.title, formatWithUnit(metric, namedValue(last, metric.name))]), [model])
  }`);
  output.line(`After ${formatDuration(seconds)} the detector has an average precision of ` +
    `${formatWithUnit(primary, namedValue(last, primary.name))}; 1 would be perfect boxes for every object.`);
}
