import { namedValue, primaryMetric, type FitEvent } from "../../index.js";
import { epochHead, epochRow, progressText, startText, type EpochEvent, type ProgressEvent,
  type RunShape } from "./epoch-rows.js";
import { formatDuration, formatPercent, formatWithUnit } from "./format.js";
import type { Output } from "./output.js";
import { openBar } from "./progress-bar.js";
import { noticesOf } from "./run-notices.js";
import { renderTable } from "./table.js";

/** Interval of progress lines within an epoch without an interactive terminal. */
const PLAIN_PROGRESS_MS = 10_000;

/** Displays the events of one training run. */
export interface FitReporter {
  handle(event: FitEvent): void;
  /** Clears an unfinished progress bar. Must be called however the run ends. */
  close(): void;
}

interface FitReporterOptions {
  /** Print a table when all epochs are done. */
  readonly summary?: boolean;
  /** A monotonic clock in milliseconds. */
  readonly now?: () => number;
}

/** Reports as JSON lines with `tag` added, as a progress bar with rows above, or as plain lines. */
export function createFitReporter(
  output: Output,
  tag: Readonly<Record<string, string | number>> = {},
  { summary = true, now = () => performance.now() }: FitReporterOptions = {},
): FitReporter {
  if (output.json) {
    return {
      handle(event) {
        output.event({ ...event, ...tag });
      },
      close() {},
    };
  }
  const live = output.interactive ? barProgress() : lineProgress(output, now);
  return textReporter(output, live, summary);
}

/** The display of a running epoch; `clear` leaves the cursor at the start of an empty line. */
interface LiveProgress {
  update(run: RunShape, event: ProgressEvent): void;
  clear(): void;
}

function barProgress(): LiveProgress {
  const bar = openBar();
  return {
    update(run, event) {
      bar.update(event.step, event.steps, { label: `epoch ${event.epoch + 1}/${event.epochs}`,
        text: progressText(run, event) });
    },
    clear() {
      bar.clear();
    },
  };
}

function lineProgress(output: Output, now: () => number): LiveProgress {
  let quietSince = now();
  return {
    update(run, event) {
      if (now() - quietSince < PLAIN_PROGRESS_MS) return;
      quietSince = now();
      output.line(
        `epoch ${event.epoch + 1}/${event.epochs}  step ${event.step}/${event.steps}  ${progressText(run, event)}`,
      );
    },
    clear() {
      quietSince = now();
    },
  };
}

function textReporter(output: Output, live: LiveProgress, withSummary: boolean): FitReporter {
  let run: RunShape | undefined;
  let lastEpoch: EpochEvent | undefined;
  let weights: string | undefined;

  return {
    handle(event) {
      if (event.type !== "progress") live.clear();
      switch (event.type) {
        case "start":
          run = event;
          output.line(startText(event));
          if (typeof event.matching?.note === "string") output.line(event.matching.note);
          if (event.startEpoch > 0 || event.startStep > 0) {
            output.line(`resuming at epoch ${event.startEpoch + 1}, step ${event.startStep}`);
          }
          output.line(epochHead(event));
          break;
        case "resumed":
        case "checkpoint-failed":
          for (const line of noticesOf(event)) output.notice(line);
          break;
        case "progress":
          if (run !== undefined) live.update(run, event);
          break;
        case "broken-image":
          output.notice(`skipped ${event.path}: cannot decode it: ${event.reason}`);
          break;
        case "epoch":
          lastEpoch = event;
          if (run !== undefined) output.line(epochRow(run, event));
          break;
        case "checkpoint":
          if (event.kind === "student") weights = event.path;
          break;
        case "interrupted":
          output.notice(`interrupted in epoch ${event.epoch + 1} after step ${event.step}; ` +
            (event.checkpoint === null ? "nothing was saved because there is no run directory"
              : `saved ${event.checkpoint}`));
          break;
        case "end":
          if (withSummary && run !== undefined) output.line(resultTable(run, event, lastEpoch, weights));
          break;
      }
    },
    close() {
      live.clear();
    },
  };
}

function resultTable({ taskInfo }: RunShape, end: Extract<FitEvent, { type: "end" }>, lastEpoch: EpochEvent | undefined,
  weights: string | undefined): string {
  const primary = primaryMetric(taskInfo);
  const rows = [
    ...taskInfo.metrics.map((metric) => [
      `${metric.unit === "" ? "test " : ""}${metric.label}, last epoch`,
      formatWithUnit(metric, namedValue(end.last, metric.name)),
    ]),
    [`${primary.label}, best epoch`,
      `${formatWithUnit(primary, namedValue(end.best, primary.name))} (epoch ${end.best.epoch + 1}, chosen on the test set)`],
    ["training time", formatDuration(end.seconds)],
  ];
  if (lastEpoch !== undefined) {
    const { imagesPerSecond, dataWaitFraction, brokenImages } = lastEpoch.train;
    rows.push(["speed",
      `${imagesPerSecond.toFixed(0)} images/s, ${formatPercent(100 * dataWaitFraction)} % of the time waiting for data`]);
    if (brokenImages > 0) rows.push(["broken images", `${brokenImages} replaced in each epoch`]);
  }
  if (end.runDirectory !== null) rows.push(["run directory", end.runDirectory]);
  if (weights !== undefined) rows.push(["network alone", weights]);
  return renderTable(["result", ""], rows);
}
