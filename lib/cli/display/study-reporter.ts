import { namedValue, primaryMetric, type FitEvent, type StudyEvent } from "../../index.js";
import { formatDuration, formatLoss, formatWithUnit } from "./format.js";
import type { Output } from "./output.js";
import { openBar } from "./progress-bar.js";
import { noticesOf } from "./run-notices.js";
import { studyTable } from "./study-table.js";

/** Interval of progress lines within a cell without an interactive terminal. */
const PLAIN_PROGRESS_MS = 10_000;

type EventOf<Type extends StudyEvent["type"]> = Extract<StudyEvent, { type: Type }>;
type Progress = Extract<FitEvent, { type: "progress" }>;

/** Displays the events of a study: a line per cell, and a progress bar or occasional lines in between. */
export interface StudyReporter {
  handle(event: StudyEvent): void;
  /** Clears an unfinished progress bar. Must be called however the study ends. */
  close(): void;
}

export function createStudyReporter(output: Output, now: () => number = () => performance.now()): StudyReporter {
  const bar = openBar();
  let quietSince = now();

  function progress(event: EventOf<"cell-run">, run: Progress): void {
    const [done, total] = [run.epoch * run.steps + run.step, run.epochs * run.steps];
    const text = `epoch ${run.epoch + 1}/${run.epochs}  loss ${formatLoss(run.losses.total)}  study ETA ${formatDuration(event.etaSeconds)}`;
    if (output.interactive) {
      bar.update(done, total, { label: place(event), text });
    } else if (now() - quietSince >= PLAIN_PROGRESS_MS) {
      quietSince = now();
      output.line(`${place(event)} ${event.cell}: ${text}`);
    }
  }

  return {
    handle(event) {
      output.event(event);
      if (event.type === "cell-run") {
        if (event.run.type === "progress") progress(event, event.run);
        if (event.run.type === "interrupted") bar.clear();
        if (!output.json && (event.run.type === "checkpoint-failed" || event.run.type === "resumed")) {
          bar.clear();
          for (const line of noticesOf(event.run)) output.notice(`${place(event)} ${event.cell}: ${line}`);
        }
        return;
      }
      bar.clear();
      quietSince = now();
      const text = lineOf(event);
      if (text !== undefined) output.line(text);
    },
    close() {
      bar.clear();
    },
  };
}

function place({ index, cells }: { readonly index: number; readonly cells: number }): string {
  return `[${index + 1}/${cells}]`;
}

function lineOf(event: Exclude<StudyEvent, EventOf<"cell-run">>): string | undefined {
  switch (event.type) {
    case "study-start": {
      const done = event.cells.filter(({ state }) => state === "done").length;
      const teacher = event.trainsTeacher && done === 0
        ? "; no --teacher-weights given, so the study trains the teacher first" : "";
      return `${event.kind} study in ${event.directory}: ${event.cells.length} cells, ${done} done${teacher}`;
    }
    case "cell-start":
      return `${place(event)} ${event.label}, seed ${event.seed}${event.resumed ? ", resuming" : ""}`;
    case "cell-end": {
      const { last, best, seconds } = event.result;
      if (last === null || best === null) return undefined;
      const metric = primaryMetric(event.taskInfo);
      const value = (values: object): string => formatWithUnit(metric, namedValue(values, metric.name));
      const text = `last ${value(last)}, best ${value(best)} (epoch ${best.epoch + 1}), ${formatDuration(seconds ?? 0)}`;
      return event.skipped ? `${place(event)} ${event.label}, seed ${event.seed}: already done, ${text}`
        : `${place(event)} done: ${text}`;
    }
    case "cell-failed":
      return `${place(event)} ${event.label}, seed ${event.seed} failed [${event.code}]: ${event.message}`;
    case "study-file":
      return `wrote ${event.path}`;
    case "study-notice":
      return event.message;
    case "study-end":
      return studyTable(event.result);
  }
}
