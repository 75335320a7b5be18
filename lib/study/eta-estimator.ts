import type { FitEvent } from "../config/schemas/events.js";
import type { Cell } from "./cells.js";

/** Estimates from less than this share of a run are too rough, and near its end they divide by nearly nothing. */
const TELLING_SHARE = { from: 0.02, to: 0.95 } as const;

/** Foretells how long a study will still take. */
export class EtaEstimator {
  /** Seconds of a whole cell, as measured or foretold, by what it trains. */
  readonly #seconds = new Map<string, number>();
  readonly #left: Set<Cell>;

  constructor(cells: readonly Cell[]) {
    this.#left = new Set(cells);
  }

  /** A cell took this long, or is not going to be done at all. */
  finished(cell: Cell, seconds: number | null): void {
    this.#left.delete(cell);
    if (seconds !== null) this.#seconds.set(workOf(cell), seconds);
  }

  /** Seconds to the end of the study, where this is the newest event of a cell. */
  during(cell: Cell, event: FitEvent): number {
    const ofCell = "etaSeconds" in event ? event.etaSeconds : 0;
    if (event.type === "progress") {
      const share = (event.epoch + event.step / event.steps) / event.epochs;
      if (share > TELLING_SHARE.from && share < TELLING_SHARE.to) this.#seconds.set(workOf(cell), ofCell / (1 - share));
    }
    const others = [...this.#left].filter((other) => other !== cell);
    return ofCell + others.reduce((sum, other) => sum + this.#expected(other), 0);
  }

  #expected(cell: Cell): number {
    const known = this.#seconds.get(workOf(cell));
    if (known !== undefined) return known;
    // A cell of a kind that has not been seen takes about as long as the others.
    const others = [...this.#seconds.values()];
    return others.length === 0 ? 0 : others.reduce((sum, seconds) => sum + seconds, 0) / others.length;
  }
}

/** Cells of equal work take equally long. */
function workOf({ config }: Cell): string {
  return config.task === "train" ? `train ${config.model.name}` : `distill ${config.method.kind}`;
}
