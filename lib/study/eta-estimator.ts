import type { FitEvent } from "../config/schemas/fit-event.js";
import { trainingLength } from "../fit/training-length.js";
import type { Cell } from "./plan/cells.js";

/** Range of progress that gives usable estimates: too early they are rough, near the end they divide by almost zero. */
const USABLE_SHARE = { from: 0.02, to: 0.95 } as const;

/** Estimates when the cells of a study are done, from the speed of those before. */
export class EtaEstimator {
  /** Duration of a step in seconds, measured or estimated, by kind of work. */
  readonly #secondsPerStep = new Map<string, number>();
  readonly #left: Set<Cell>;

  /** @param trainSamples - training images of the data; any number if every cell ends after whole epochs. */
  constructor(cells: readonly Cell[], private readonly trainSamples: number) {
    this.#left = new Set(cells);
  }

  /** Records the duration of a cell; `null` if it will not be done. */
  finished(cell: Cell, seconds: number | null): void {
    this.#left.delete(cell);
    if (seconds !== null) this.#takes(cell, seconds);
  }

  /** Seconds to the end of the study, given the newest event of a cell. */
  during(cell: Cell, event: FitEvent): number {
    const ofCell = "etaSeconds" in event ? event.etaSeconds : 0;
    if (event.type === "progress") {
      const share = event.trainingStep / event.trainingSteps;
      if (share > USABLE_SHARE.from && share < USABLE_SHARE.to) this.#takes(cell, ofCell / (1 - share));
    }
    const others = [...this.#left].filter((other) => other !== cell);
    return ofCell + others.reduce((sum, other) => sum + this.#expected(other), 0);
  }

  /**
   * Seconds to the end of cells that are trained at the same time, as many as are now; `null` if no speed is known.
   *
   * @param running - how far they are: the share that is done, and the seconds to the end of each.
   */
  together(running: ReadonlyMap<Cell, { readonly share: number; readonly etaSeconds: number }>): number | null {
    for (const [cell, { share, etaSeconds }] of running)
      if (share > USABLE_SHARE.from && share < USABLE_SHARE.to) this.#takes(cell, etaSeconds / (1 - share));
    if (this.#left.size === 0) return 0;
    if (this.#secondsPerStep.size === 0) return null;
    const seconds = [...this.#left].reduce(
      (sum, cell) => sum + (running.get(cell)?.etaSeconds ?? this.#expected(cell)),
      0,
    );
    return seconds / Math.max(1, running.size);
  }

  #takes(cell: Cell, seconds: number): void {
    this.#secondsPerStep.set(workOf(cell), seconds / this.#steps(cell));
  }

  #expected(cell: Cell): number {
    const known = this.#secondsPerStep.get(workOf(cell));
    if (known !== undefined) return known * this.#steps(cell);
    // A step of a new kind of work is assumed to take as long as the others on average.
    const others = [...this.#secondsPerStep.values()];
    return others.length === 0 ? 0
      : others.reduce((sum, seconds) => sum + seconds, 0) / others.length * this.#steps(cell);
  }

  /** Of the whole training; a teacher may have other epochs than its students. */
  #steps({ config: { training } }: Cell): number {
    return Math.max(1, trainingLength(training, Math.max(this.trainSamples, training.batchSize)).steps);
  }
}

/** Steps of cells with the same kind of work take equally long. */
function workOf({ config }: Cell): string {
  const { batchSize, precision } = config.training;
  const how = config.task === "train" ? `train ${config.model.name}`
    : `distill ${config.student.name} ${config.method.kind}`;
  return `${how} ${batchSize} ${precision}`;
}
