import { namedValue, primaryMetric, type FitEvent } from "../../index.js";
import { epochHead, epochRow, progressText, type EpochEvent, type EventOf, type RunShape } from "./epoch-rows.js";
import { noticeText, showLoading, showTeacherProgress } from "./data-progress.js";
import { formatDuration, formatPercent, formatResult } from "./format.js";
import type { Output } from "./output.js";
import { openProgress, type Progress } from "./progress-bar.js";
import { noticesOf, startLines, teacherLines } from "./run-notices.js";
import { renderTable } from "./table.js";

/** Displays events. */
export interface Reporter<Event> {
  handle(event: Event): void;
  /** Clears an unfinished progress bar. Must be called however the work ends. */
  readonly close: () => void;
}

/** Reports as JSON lines with `tag` added, as a progress bar with rows above, or as plain lines. */
export function createFitReporter(output: Output, tag: Readonly<Record<string, string | number>> = {},
  { summary = true, notices = true, now = () => performance.now() } = {}): Reporter<FitEvent> {
  if (!output.json) return textReporter(output, openProgress(output, now), { summary, notices }, now);
  return {
    handle(event) {
      output.event({ ...event, ...tag });
    },
    close() {},
  };
}

/** Events that update the bar. */
const IN_PLACE: ReadonlySet<FitEvent["type"]> = new Set(["progress", "loading", "teacher-progress"]);

function textReporter(output: Output, live: Progress,
  { summary: withSummary, notices: withNotices }: { readonly summary: boolean; readonly notices: boolean },
  now: () => number): Reporter<FitEvent> {
  const showLoaded = showLoading(output, live, now);
  const showTeacher = showTeacherProgress(output, live, now);
  let run: RunShape | undefined;
  let lastEpoch: EpochEvent | undefined;
  let weights: string | undefined;
  const showHead = headOf(output);

  return {
    handle(event) {
      if (!IN_PLACE.has(event.type)) live.clear();
      switch (event.type) {
        case "loading":
          showLoaded(event);
          break;
        case "start":
          run = event;
          for (const line of startLines(event)) output.line(line);
          break;
        case "teacher-progress":
          showTeacher(event);
          break;
        case "teacher":
          for (const line of teacherLines(event)) output.line(line);
          break;
        case "notice":
          if (withNotices) output.notice(noticeText(event));
          break;
        case "resumed":
        case "checkpoint-failed":
        case "interrupted":
          for (const line of noticesOf(event)) output.notice(line);
          break;
        case "progress":
          if (run === undefined) break;
          showHead(run);
          showProgress(output, live, run, event);
          break;
        case "broken-image":
          output.notice(`skipped ${event.path}: cannot decode it: ${event.reason}`);
          break;
        case "epoch":
          lastEpoch = event;
          if (run === undefined) break;
          showHead(run);
          output.line(epochRow(run, event));
          break;
        case "checkpoint":
          if (event.kind === "student") weights = event.path;
          break;
        case "end":
          if (withSummary && run !== undefined) output.line(resultTable(run, event, lastEpoch, weights));
          break;
      }
    },
    close: live.clear,
  };
}

/** Shows the head of the epochs' rows, once: what is known of a teacher comes before it. */
function headOf(output: Output): (run: RunShape) => void {
  let isShown = false;
  return (run) => {
    if (isShown) return;
    isShown = true;
    output.line(epochHead(run));
  };
}

function showProgress(output: Output, live: Progress, run: RunShape, event: EventOf<"progress">): void {
  const { epoch, epochs, step, steps } = event;
  const [label, text] = [`epoch ${epoch + 1}/${epochs}`, progressText(run, event)];
  live.update(step, steps, { label, text }, () => {
    output.line(`${label}  step ${step}/${steps}  ${text}`);
  });
}

function resultTable({ taskInfo }: RunShape, end: EventOf<"end">, lastEpoch: EpochEvent | undefined,
  weights: string | undefined): string {
  const primary = primaryMetric(taskInfo);
  const rows = [
    ...taskInfo.metrics.map((metric) => [
      `${metric.unit === "" ? "test " : ""}${metric.label}, last epoch`,
      formatResult(metric, namedValue(end.last, metric.name)),
    ]),
    [`${primary.label}, best epoch`,
      `${formatResult(primary, namedValue(end.best, primary.name))} (epoch ${end.best.epoch + 1}, chosen on the test set)`],
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
