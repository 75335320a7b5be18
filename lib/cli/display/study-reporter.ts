import { metricText, namedValue, primaryMetric, type StudyEvent } from "../../index.js";
import type { Reporter } from "./fit-reporter.js";
import { withFlags } from "../errors.js";
import { noticeText } from "./data-progress.js";
import { formatDuration, formatLoss } from "./format.js";
import type { Output } from "./output.js";
import { openProgress, type Progress } from "./progress-bar.js";
import { noticesOf } from "./run-notices.js";
import { studyTable } from "./study-table.js";

type EventOf<Type extends StudyEvent["type"]> = Extract<StudyEvent, { type: Type }>;

/**
 * Displays the events of a study: a line per cell, and a progress bar or occasional lines in between.
 *
 * @param scope - whose end the estimated time is: that of the study, or of the only cell that is trained.
 */
export function createStudyReporter(output: Output, scope: "study" | "cell" = "study"): Reporter<StudyEvent> {
  const bar = openProgress(output);
  const noticed = new Set<string>();
  return {
    handle(event) {
      output.event(event);
      if (event.type === "study-progress") {
        showProgress(output, bar, event);
        return;
      }
      if (event.type !== "cell-run") {
        bar.clear();
        const text = lineOf(event);
        if (text !== undefined) output.line(text);
        return;
      }
      const { run, cell, etaSeconds } = event;
      if (run.type === "progress") {
        const text = `epoch ${run.epoch + 1}/${run.epochs}  loss ${formatLoss(run.losses.total)}  ${scope} ETA ${formatDuration(etaSeconds)}`;
        bar.update(run.trainingStep, run.trainingSteps, { label: place(event), text }, () => {
          output.line(`${place(event)} ${cell}: ${text}`);
        });
      }
      // Cells that differ in the seed alone have the same.
      if (run.type === "notice" && !output.json && !noticed.has(run.message)) {
        noticed.add(run.message);
        bar.clear();
        output.notice(noticeText(run));
      }
      if (run.type === "interrupted") bar.clear();
      if (!output.json && (run.type === "checkpoint-failed" || run.type === "resumed")) {
        bar.clear();
        for (const line of noticesOf(run)) output.notice(`${place(event)} ${cell}: ${line}`);
      }
    },
    close: bar.clear,
  };
}

/** Cells that other processes train: a bar over all of them, with the place of each that runs. */
function showProgress(output: Output, bar: Progress, event: EventOf<"study-progress">): void {
  const { cells, done, failed, waiting, running, etaSeconds } = event;
  const parts = [`${done} done`, `${running.length} running`, `${waiting} waiting`,
    ...(failed === 0 ? [] : [`${failed} failed`])];
  const places = running.map(({ index, epoch, epochs }) => `[${index + 1}] ${epoch + 1}/${epochs}`);
  const eta = etaSeconds === null ? "" : `  study ETA ${formatDuration(etaSeconds)}`;
  const share = running.reduce((sum, { epoch, epochs, step, steps }) => sum + (epoch + step / steps) / epochs, 0);
  const text = `${parts.join(", ")}${places.length === 0 ? "" : `  epochs ${places.join(" ")}`}${eta}`;
  bar.update(done + failed + share, cells, { label: "cells", text }, () => {
    output.line(`${cells} cells: ${text}`);
  });
}

/** The command of whose options messages speak. */
export const STUDY = { name: "reviewkd study", flags: [] };

function place({ index, cells }: { readonly index: number; readonly cells: number }): string {
  return `[${index + 1}/${cells}]`;
}

function lineOf(event: Exclude<StudyEvent, EventOf<"cell-run" | "study-progress">>): string | undefined {
  switch (event.type) {
    case "study-start": {
      const done = event.cells.filter(({ state }) => state === "done").length;
      const teacher = event.trainsTeacher && done === 0
        ? "; no --teacher-weights given, so the study trains the teacher first" : "";
      return `${event.kind} study in ${event.directory}: ${event.cells.length} cells, ${done} done${teacher}`;
    }
    case "study-teacher": {
      const metric = primaryMetric(event.taskInfo);
      return event.metric === null ? `teacher ${event.name}: not evaluated on these data`
        : `teacher ${event.name}: ${metric.title} ${metricText(metric, event.metric, 1)} on the test images`;
    }
    case "cell-start":
      return `${place(event)} ${event.label}, seed ${event.seed}${event.resumed ? ", resuming" : ""}`;
    case "cell-end": {
      const { last, best, seconds } = event.result;
      if (last === null || best === null) return undefined;
      const metric = primaryMetric(event.taskInfo);
      const value = (values: object): string => metricText(metric, namedValue(values, metric.name), 1);
      const text = `last ${value(last)}, best ${value(best)} (epoch ${best.epoch + 1}), ${formatDuration(seconds ?? 0)}`;
      return event.skipped ? `${place(event)} ${event.label}, seed ${event.seed}: already done, ${text}`
        : `${place(event)} done: ${text}`;
    }
    case "cell-failed":
      return `${place(event)} ${event.label}, seed ${event.seed} failed [${event.code}]: ${withFlags(event.message, STUDY)}`;
    case "cell-locked":
      return `${place(event)} ${event.label}, seed ${event.seed}: another process trains it; tried again after the others: ${event.message}`;
    case "study-waiting":
      return `waiting for ${event.left} of ${event.cells} cells, which other processes train or whose teacher they train`;
    case "study-file":
      return `wrote ${event.path}`;
    case "study-notice":
      return event.message;
    case "study-end":
      return studyTable(event.result);
  }
}
