// The window's state and its updates, independent of the page's elements.
import type { Description, Failure, Losses, Part, Progress, Run, Update } from "../shared/contract.js";

/** Losses at a point of the training; `epochs` counts from 0 and may be fractional. */
export interface LossPoint {
  readonly epochs: number;
  readonly losses: Losses;
}

/** The progress of a running part beyond its finished epochs. */
export interface Live {
  readonly progress: Progress;
  /** The points received since this window was opened. */
  readonly points: readonly LossPoint[];
}

export interface State {
  readonly description: Description | null;
  /** The newest first. */
  readonly runs: readonly Run[];
  /** The displayed run; null: the form for a new one. */
  readonly selected: string | null;
  readonly live: Readonly<Record<string, Partial<Record<Part, Live>>>>;
  readonly warnings: Readonly<Record<string, readonly string[]>>;
  /** The failure of the last request; a run's own failure is stored in the run. */
  readonly failure: Failure | null;
  readonly closing: boolean;
}

export const START: State = { description: null, runs: [], selected: null, live: {}, warnings: {}, failure: null,
  closing: false };

/** The limit for a long training's curve: above it, half of the points are dropped. */
const MOST_POINTS = 2000;
const MOST_WARNINGS = 20;

/** The state after an update from the main process. */
export function afterUpdate(state: State, update: Update): State {
  switch (update.type) {
    case "run":
      return withRun(state, update.run);
    case "progress": {
      const { run, progress } = update;
      const { part, epoch, step, steps, losses } = progress;
      const points = thinned([...(state.live[run]?.[part]?.points ?? []), { epochs: epoch - 1 + step / steps,
        losses }]);
      return { ...state, live: { ...state.live, [run]: { ...state.live[run], [part]: { progress, points } } } };
    }
    case "epoch": {
      const { run: name, part, epoch } = update;
      return {
        ...state,
        runs: state.runs.map((run) =>
          run.name !== name ? run : {
            ...run,
            parts: run.parts.map((state) =>
              state.part === part
                ? { ...state, epochs: [...state.epochs.filter((other) => other.epoch < epoch.epoch), epoch] } : state
            ),
          }
        ),
      };
    }
    case "warning": {
      const { run, message } = update;
      return { ...state,
        warnings: { ...state.warnings, [run]: [...(state.warnings[run] ?? []), message].slice(-MOST_WARNINGS) } };
    }
    case "closing":
      return { ...state, closing: true };
  }
}

/** The state with a run replaced, or added in front if it is new. */
export function withRun(state: State, run: Run): State {
  const known = state.runs.find(({ name }) => name === run.name);
  const runs = known !== undefined ? state.runs.map((other) => other.name === run.name ? run : other)
    : [run, ...state.runs];
  // Steps that are repeated after a checkpoint are not drawn twice.
  const isResumed = isActive(run) && known !== undefined && !isActive(known);
  return { ...state, runs, live: isResumed ? { ...state.live, [run.name]: {} } : state.live };
}

function thinned(points: readonly LossPoint[]): readonly LossPoint[] {
  return points.length <= MOST_POINTS ? points : points.filter((_point, index) => index % 2 === 1);
}

export function isActive({ status }: Run): boolean {
  return status === "running" || status === "stopping";
}

/** The active run; there is at most one. */
export function activeRun({ runs }: State): Run | undefined {
  return runs.find(isActive);
}

export function selectedRun({ runs, selected }: State): Run | undefined {
  return runs.find(({ name }) => name === selected);
}

/** The part that is being trained, or is next; the last one if all are done. */
export function partUnderWay(run: Run): Part {
  return (run.parts.find(({ done }) => !done) ?? run.parts.at(-1))?.part ?? "distilled";
}
