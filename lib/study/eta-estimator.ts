import type { FitEvent } from "../config/schemas/fit-event.js";
import type { Cell } from "./cells.js";

/** Range of progress that gives usable estimates: too early they are rough, near the end they divide by almost zero. */
const USABLE_SHARE = { from: 0.02, to: 0.95 } as const;

export class EtaEstimator {
  /** Duration of a whole cell in seconds, measured or estimated, by kind of work. */
  readonly #seconds = new Map<string, number>();
  readonly #left: Set<Cell>;

  constructor(cells: readonly Cell[]) {
    this.#left = new Set(cells);
  }

  /** Records the duration of a cell; `null` if it will not be done. */
  finished(cell: Cell, seconds: number | null): void {
    this.#left.delete(cell);
    if (seconds !== null) this.#seconds.set(workOf(cell), seconds);
  }

  /** Seconds to the end of the study, given the newest event of a cell. */
  during(cell: Cell, event: FitEvent): number {
    const ofCell = "etaSeconds" in event ? event.etaSeconds : 0;
    if (event.type === "progress") {
      const share = event.trainingStep / event.trainingSteps;
      if (share > USABLE_SHARE.from && share < USABLE_SHARE.to) this.#seconds.set(workOf(cell), ofCell / (1 - share));
    }
    const others = [...this.#left].filter((other) => other !== cell);
    return ofCell + others.reduce((sum, other) => sum + this.#expected(other), 0);
  }

  #expected(cell: Cell): number {
    const known = this.#seconds.get(workOf(cell));
    if (known !== undefined) return known;
    // A new kind of cell is assumed to take as long as the others on average.
    const others = [...this.#seconds.values()];
    return others.length === 0 ? 0 : others.reduce((sum, seconds) => sum + seconds, 0) / others.length;
  }
}

/** Cells with the same kind of work take equally long. */
function workOf({ config }: Cell): string {
  return config.task === "train" ? `train ${config.model.name}` : `distill ${config.method.kind}`;
}
