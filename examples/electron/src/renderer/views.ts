// The displayed numbers and words of a run: curves, steps, results. Independent of the page's elements.
import type { Losses, Part, Progress, Run } from "../shared/contract.js";
import { formatPercent, formatPoints } from "./format.js";
import { isActive, partUnderWay, type Live } from "./state.js";

export const PART_NAMES: Readonly<Record<Part, string>> = { teacher: "Teacher", alone: "Student alone",
  distilled: "Student distilled" };

export const SHORT_PART_NAMES: Readonly<Record<Part, string>> = { teacher: "Teacher", alone: "Alone",
  distilled: "Distilled" };

/** A curve: x in epochs, y in percent or in the loss's unit. */
export interface Curve {
  readonly id: string;
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

/** Test accuracy per epoch of each part; a teacher from a file is a horizontal line. */
export function accuracyCurves({ plan, parts, teacherTop1 }: Run): Curve[] {
  const trained = parts.map(({ part, epochs }): Curve => ({ id: part, name: PART_NAMES[part],
    points: epochs.map(({ epoch, top1 }) => [epoch, top1]) })
  );
  if (teacherTop1 === null) return trained;
  return [{ id: "teacher", name: PART_NAMES.teacher,
    points: [[1, teacherTop1], [Math.max(2, plan.epochs), teacherTop1]] }, ...trained];
}

/** Losses of one part over its epochs: one point per epoch, then every point received since this window was opened. */
export function lossCurves(run: Run, part: Part, live: Live | undefined): Curve[] {
  const epochs = run.parts.find((state) => state.part === part)?.epochs ?? [];
  const livePoints = live?.points ?? [];
  const since = livePoints[0]?.epochs ?? Infinity;
  const points = [
    ...epochs.filter(({ epoch }) => epoch <= since).map(({ epoch, losses }) => ({ epochs: epoch, losses })),
    ...livePoints,
  ];
  const curve = (id: string, name: string, value: (losses: Losses) => number | undefined): Curve => ({ id, name,
    points: points.flatMap(({ epochs: x, losses }) => {
      const y = value(losses);
      return y === undefined ? [] : [[x, y] as const];
    }) });
  const kinds = points.at(-1)?.losses.terms.map(({ kind }) => kind) ?? [];
  const terms = kinds.map((kind, index) =>
    curve(`term-${index}`, `${kind}, weighted`, ({ terms }) => terms[index]?.value)
  );
  // Without a method the total is the cross entropy, and one curve is enough.
  const total = terms.length === 0 ? [] : [curve("total", "Total", (losses) => losses.total)];
  return [...total, curve("crossEntropy", "Cross entropy", ({ crossEntropy }) => crossEntropy), ...terms];
}

/** The progress of a part: a fraction from 0 to 1, and in words. */
export interface Step {
  readonly part: Part;
  readonly network: string;
  readonly state: "waiting" | "running" | "stopped" | "done";
  readonly fraction: number;
  readonly text: string;
}

export function stepsOf(run: Run, live: Partial<Record<Part, Live>> = {}): Step[] {
  const under = partUnderWay(run);
  return run.parts.map(({ part, network, epochs, of, done }): Step => {
    if (done) return { part, network, state: "done", fraction: 1, text: `${of} epochs` };
    if (part !== under) return { part, network, state: "waiting", fraction: 0, text: "waits" };
    const progress = live[part]?.progress;
    const fraction = Math.max(epochs.length, progress === undefined ? 0 : doneOf(progress)) / of;
    if (!isActive(run))
      return { part, network, state: epochs.length === 0 && progress === undefined ? "waiting" : "stopped", fraction,
        text: `${epochs.length} of ${of} epochs` };
    return { part, network, state: "running", fraction,
      text: `epoch ${Math.min(of, progress?.epoch ?? epochs.length + 1)} of ${of}` };
  });
}

function doneOf({ epoch, step, steps }: Progress): number {
  return epoch - 1 + step / steps;
}

/** A network's test accuracy after its last epoch, and its best. */
export interface Result {
  readonly part: Part;
  readonly network: string;
  readonly last: number | null;
  readonly best: number | null;
  /** The comparison in words. */
  readonly note: string;
}

export function resultsOf({ plan, parts, teacherTop1 }: Run): Result[] {
  const lastOf = (part: Part): number | null => parts.find((state) => state.part === part)?.epochs.at(-1)?.top1 ?? null;
  const alone = lastOf("alone");
  const fromFile: Result[] = teacherTop1 === null ? []
    : [{ part: "teacher", network: plan.teacher, last: teacherTop1, best: teacherTop1, note: "from a file" }];
  return [...fromFile, ...parts.map(({ part, network, epochs }): Result => {
    const last = lastOf(part);
    const best = epochs.length === 0 ? null : Math.max(...epochs.map(({ top1 }) => top1));
    const bestText = best === null ? "not trained yet" : `best ${formatPercent(best)}`;
    const note = part === "distilled" && last !== null && alone !== null
      ? `${bestText}, ${formatPoints(last - alone)} against alone` : bestText;
    return { part, network, last, best, note };
  })];
}

/** The accuracy chart in one sentence, for screen readers. */
export function accuracySentence(run: Run): string {
  const known = resultsOf(run).filter(({ last }) => last !== null);
  if (known.length === 0) return "Test accuracy by epoch: nothing yet.";
  return `Test accuracy by epoch. ${known.map(({ part, last }) => `${PART_NAMES[part]}: ${formatPercent(last ?? 0)}`).join("; ")}.`;
}

/** Rows of the table below the curves: one per epoch. */
export function accuracyTable(
  { plan, parts }: Run,
): { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] } {
  const count = Math.max(0, ...parts.map(({ epochs }) => epochs.length));
  const rows = Array.from({ length: Math.min(count, plan.epochs) }, (_, index) => [
    String(index + 1),
    ...parts.flatMap(({ epochs }) => {
      const epoch = epochs.find((candidate) => candidate.epoch === index + 1);
      return epoch === undefined ? ["–", "–"] : [formatPercent(epoch.top1), epoch.losses.total.toFixed(3)];
    }),
  ]);
  return { head: ["Epoch", ...parts.flatMap(({ part }) => [`${PART_NAMES[part]}: accuracy`, "loss"])], rows };
}
