import { basename } from "node:path";
import type { DataNotice, FitEvent, LoadProgress } from "../../index.js";
import { formatBytes, formatCount, formatTimeLeft } from "./format.js";
import type { Output } from "./output.js";
import { openProgress, type Progress } from "./progress-bar.js";

/** Shows how much of the annotations is read, file by file. Without a bar: a line, and an event, once in a while. */
export function showLoading(output: Output, live: Progress,
  now = () => performance.now()): (progress: LoadProgress) => void {
  let current: { readonly path: string; readonly startedAt: number } | undefined;
  return ({ path, unit, done, total }) => {
    if (current?.path !== path) {
      // Each file has a bar of its own.
      if (current !== undefined) live.clear();
      current = { path, startedAt: now() };
    }
    if (done === total) return;
    const counts = unit === "bytes" ? `${formatBytes(done)} of ${formatBytes(total)}`
      : `${formatCount(done)} of ${formatCount(total)} images`;
    const text = `${counts}${formatTimeLeft({ startedAt: current.startedAt, done, total }, now())}`;
    const label = `reading ${basename(path)}`;
    live.update(done, total, { label, text }, () => {
      output.event({ type: "loading", path, unit, done, total });
      if (!output.json) output.notice(`${label}: ${text}`);
    });
  };
}

/** Shows how many of the test images a teacher has seen, before its student trains. */
export function showTeacherProgress(output: Output, live: Progress,
  now = () => performance.now()): (event: { readonly samples: number; readonly testSamples: number }) => void {
  let startedAt: number | undefined;
  return ({ samples: done, testSamples: total }) => {
    startedAt ??= now();
    const text = `${formatCount(done)} of ${formatCount(total)} test images${formatTimeLeft({ startedAt, done, total }, now())}`;
    live.update(done, total, { label: "evaluating the teacher", text }, () => {
      output.notice(`evaluating the teacher: ${text}`);
    });
  };
}

/** A notice of a training: settings are a warning, files are described. */
export function noticeText({ topic, message }: Extract<FitEvent, { type: "notice" }>): string {
  return `${topic === "data" || topic === "weights" ? "note" : "warning"}: ${message}`;
}

/** Shows what is worth knowing about the files of a data set, a line for each kind. */
export function showNotices(output: Output, notices: readonly Pick<DataNotice, "text">[]): void {
  for (const { text } of notices) output.notice(`note: ${text}`);
}

/** The display of work on data outside of a training. */
export interface DataDisplay extends Disposable {
  readonly loading: (progress: LoadProgress) => void;
  /** Images of an evaluation that are done; 0 when it begins. */
  evaluated(done: number, total: number): void;
  /** Clears an unfinished bar. Must be called however the work ends. */
  close(): void;
}

export function openDataDisplay(output: Output, now = () => performance.now()): DataDisplay {
  const live = openProgress(output, now);
  let startedAt: number | undefined;
  return {
    loading: showLoading(output, live, now),
    evaluated(done, total) {
      if (startedAt === undefined) {
        live.clear();
        startedAt = now();
      }
      const text = `${formatCount(done)} of ${formatCount(total)} images${formatTimeLeft({ startedAt, done, total }, now())}`;
      live.update(done, total, { label: "eval", text }, () => {
        output.event({ type: "evaluation-progress", done, total });
        if (!output.json) output.notice(text);
      });
    },
    close: live.clear,
    [Symbol.dispose]: live.clear,
  };
}
