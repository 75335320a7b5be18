import type { EventOf } from "./epoch-rows.js";
import { formatDuration } from "./format.js";

export function noticesOf(event: EventOf<"resumed" | "checkpoint-failed">): string[] {
  return event.type === "resumed" ? resumedLines(event) : [failedText(event)];
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

function failedText({ kinds, reason, retrySeconds }: EventOf<"checkpoint-failed">): string {
  const next = retrySeconds === null ? "Training continues in memory; the next checkpoint retries."
    : `Retrying in ${formatDuration(retrySeconds)}.`;
  return `cannot save ${kinds.join(", ")}: ${reason.replace(/[^.]$/, "$&.")} ${next}`;
}
