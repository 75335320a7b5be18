import { namedValue, primaryMetric } from "../../index.js";
import { startText, type EventOf } from "./epoch-rows.js";
import { formatCount, formatDuration, formatResult } from "./format.js";

export function noticesOf(event: EventOf<"resumed" | "checkpoint-failed" | "interrupted">): string[] {
  if (event.type === "resumed") return resumedLines(event);
  return [event.type === "interrupted" ? interruptedText(event) : failedText(event)];
}

function interruptedText({ epoch, step, checkpoint }: EventOf<"interrupted">): string {
  return `interrupted in epoch ${epoch + 1} after step ${step}; ` +
    (checkpoint === null ? "nothing was saved because there is no run directory" : `saved ${checkpoint}`);
}

/** The first lines of a run. */
export function startLines(event: EventOf<"start">): string[] {
  const { startEpoch, startStep, epochs } = event;
  const position = startEpoch < epochs ? [`resuming at epoch ${startEpoch + 1}, step ${startStep}`]
    : ["all epochs were done before"];
  return [startText(event), ...matchingLines(event), ...(startEpoch > 0 || startStep > 0 ? position : [])];
}

function resumedLines({ checkpoint, damaged, changes, environment }: EventOf<"resumed">): string[] {
  const list = (all: typeof changes): string =>
    all.map(({ key, was, now }) => `${key}: was ${shown(was)}, now ${shown(now)}`).join("; ");
  return [
    ...damaged.map(({ path, reason }) => `cannot use ${path}: ${reason}`),
    ...(checkpoint === null ? ["the run has no checkpoint yet and starts from the beginning"] : []),
    ...(checkpoint !== null && damaged.length > 0 ? [`resuming from ${checkpoint}, the previous checkpoint`] : []),
    ...(changes.length > 0 ? [`settings changed (recorded in config-history.jsonl): ${list(changes)}`] : []),
    ...(environment.length > 0 ? [`results may differ bitwise from an uninterrupted run: ${list(environment)}`] : []),
  ];
}

function shown(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}

/** The stages of student and teacher that a method compares, and those without a match. */
function matchingLines({ matching, taskInfo }: EventOf<"start">): string[] {
  if (matching === null) return [];
  const kind = taskInfo.name === "classification" ? "stages" : "levels";
  const pairs = matching.stages.map(({ student, teacher }) =>
    student === teacher ? student : `${student} ~ ${teacher}`
  );
  return [`matched ${kind} of student and teacher: ${pairs.join(", ")}`,
    ...(matching.note === null ? [] : [matching.note])];
}

export function teacherLines({ name, taskInfo, test, reason }: EventOf<"teacher">): string[] {
  if (test === null) return [`teacher ${name}: not evaluated on these data: ${reason ?? ""}`];
  const metric = primaryMetric(taskInfo);
  const value = namedValue(test, metric.name);
  return [
    `teacher ${name}: ${metric.title} ${formatResult(metric, value)} on ${formatCount(test.samples)} test images`,
  ];
}

function failedText({ kinds, reason, retrySeconds }: EventOf<"checkpoint-failed">): string {
  const next = retrySeconds === null ? "Training continues in memory; the next checkpoint retries."
    : `Retrying in ${formatDuration(retrySeconds)}.`;
  return `cannot save ${kinds.join(", ")}: ${reason.replace(/[^.]$/, "$&.")} ${next}`;
}
