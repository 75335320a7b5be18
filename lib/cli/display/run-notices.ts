import type { FitEvent } from "../../index.js";
import { formatDuration } from "./format.js";

type EventOf<Type extends FitEvent["type"]> = Extract<FitEvent, { type: Type }>;

/** What people should know of a run that goes on, or that could not be saved: lines. */
export function noticesOf(event: EventOf<"resumed" | "checkpoint-failed">): string[] {
  return event.type === "resumed" ? resumedLines(event) : [failedText(event)];
}

function resumedLines({ checkpoint, damaged, changes, environment }: EventOf<"resumed">): string[] {
  const list = (all: typeof changes): string => all.map(({ key, was, now }) => `${key}: was ${shown(was)}, now ${shown(now)}`).join("; ");
  return [
    ...damaged.map(({ path, reason }) => `cannot use ${path}: ${reason}`),
    ...(checkpoint === null ? ["the run had saved no checkpoint yet and begins anew"] : []),
    ...(checkpoint !== null && damaged.length > 0 ? [`going on from ${checkpoint}, the one before`] : []),
    ...(changes.length > 0 ? [`settings changed (recorded in config-history.jsonl): ${list(changes)}`] : []),
    ...(environment.length > 0 ? [`not bit for bit what an undisturbed run would give: ${list(environment)}`] : []),
  ];
}

function shown(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}

function failedText({ kinds, reason, retrySeconds }: EventOf<"checkpoint-failed">): string {
  const next = retrySeconds === null ? "The training goes on in memory; the next checkpoint tries again." : `Trying again in ${formatDuration(retrySeconds)}.`;
  return `could not save ${kinds.join(", ")}: ${reason.replace(/[^.]$/, "$&.")} ${next}`;
}
