import { setTimeout as sleep } from "node:timers/promises";
import { throwIfAborted } from "../api/abort.js";
import { assertObject, parse } from "../config/validation.js";
import { FilePath } from "../config/file-path.js";
import { isReviewKdError, messageOf, ReviewKdError, type ErrorCode } from "../errors.js";
import type { Settings } from "../config/settings.js";
import type { StudyConfigInput, StudyEvent, StudyResult } from "../config/schemas/study.js";
import type { CellState } from "./cell-state.js";
import { collect, resultOf, statesOf } from "./collect-study.js";
import { EtaEstimator } from "./eta-estimator.js";
import type { Cell } from "./plan/cells.js";
import { Study } from "./study.js";
import { CellSettings, CellTrainer, type CellOptions } from "./train-cell.js";

/** Options of a study: its directory and a signal that stops it. */
export interface StudyOptions extends CellOptions {
  /** One run directory per cell, and the results. Running the same study in it again resumes it. */
  readonly directory: string;
}

const Options = CellSettings.extend({ directory: FilePath });

/**
 * Trains all cells of a study, one after the other; skips finished cells and resumes a stopped one. A failed cell is
 * reported and the others continue. Writes tables and a picture into the study's directory.
 *
 * Other processes may train cells of the same study meanwhile: with `runStudyCell`, or with a second `runStudy`. A cell
 * that another process trains is passed over (event `cell-locked`) and tried again after the others; if only such cells
 * are left, the study waits for them (`study-waiting`), so that each `runStudy` returns the complete results.
 *
 * @returns the results, including cells that failed or that wait for a failed teacher.
 * @throws `CONFIG_INVALID`, `UNKNOWN_NAME`; `RUN_MISMATCH`: the directory holds another study; `RUN_DIRECTORY`;
 * `SAVE_FAILED`: it was stopped, but a cell could not be saved; `ABORTED` after `signal` was aborted and the state
 * saved; and errors from loading the data or the teacher's weights.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), the source of these analyses
 *
 * @example
 * ```ts
 * const study = { kind: "ablation", teacher: { name: "resnet56" }, student: { name: "resnet20" }, seeds: [0, 1, 2] } as
 * const; for await (const event of runStudy(study, { directory: "runs/ablation" })) console.log(event.type);
 * ```
 */
export async function* runStudy(input: StudyConfigInput | Settings,
  options: StudyOptions): AsyncGenerator<StudyEvent, StudyResult, void> {
  assertObject(options, "study options");
  const { signal, ...rest } = options;
  const { directory, forceUnlock } = parse(Options, rest, "study options", "INVALID_ARGUMENT", ["signal"]);
  throwIfAborted(signal, "the study");
  using study = await Study.plan(input, directory);
  try {
    const how = { signal, forceUnlock };
    return yield* new OneProcess(study, how, await statesOf(study), await study.trainSamples()).run();
  } catch (error) {
    if (signal?.aborted !== true || !isReviewKdError(error) || error.code !== "ABORTED") throw error;
    const remedy = "Run the same study in the same directory to resume it (on the command line: the same command).";
    throw new ReviewKdError("ABORTED",
      `the study at ${study.directory.path} was stopped and its state saved. ${remedy}`, { cause: error });
  }
}

/** The first event of a study whose cells are in these states. */
export function startEvent(study: Study, states: ReadonlyMap<Cell, CellState>): StudyEvent {
  return {
    type: "study-start",
    kind: study.config.kind,
    directory: study.directory.path,
    trainsTeacher: study.teacherCell !== undefined,
    cells: study.cells.map((cell) => {
      const { id, label, seed, state } = study.planned(cell, states.get(cell) ?? { is: "new" });
      return { id, label, seed, state };
    }),
  };
}

/** Between tries of cells that other processes train, once no other is left. */
const POLL_MS = 3000;

/** Errors of cells that other processes train, or whose teacher they train. */
const OF_OTHERS: ReadonlySet<ErrorCode> = new Set(["RUN_LOCKED", "TEACHER_UNFINISHED", "TEACHER_FAILED"]);

/** A study of which this process trains every cell that no other one does. */
class OneProcess {
  readonly #clock: EtaEstimator;
  readonly #trainer: CellTrainer;
  /** Reported once, however often they are tried. */
  readonly #locked = new Set<Cell>();

  constructor(private readonly study: Study, private readonly options: CellOptions,
    private readonly states: Map<Cell, CellState>, trainSamples: number) {
    this.#clock = new EtaEstimator(study.cells, trainSamples);
    this.#trainer = new CellTrainer(study, options, this.#clock);
  }

  async *run(): AsyncGenerator<StudyEvent, StudyResult, void> {
    const { study, states } = this;
    yield startEvent(study, states);
    const undone = study.cells.filter((cell) => states.get(cell)?.is !== "done");
    if (undone.length > 0) yield* this.#trainer.prepare(undone);
    let isWaiting = false;
    for (let left = study.cells; left.length > 0;) {
      const before = left.length;
      left = yield* this.#pass(left);
      if (left.length === 0 || left.length < before) continue;
      if (!isWaiting) yield { type: "study-waiting", left: left.length, cells: study.cells.length };
      isWaiting = true;
      await this.#pause();
    }
    return yield* collect(study, states);
  }

  /** @throws `ABORTED` */
  async #pause(): Promise<void> {
    const { signal } = this.options;
    await sleep(POLL_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    this.#throwIfStopped();
  }

  #throwIfStopped(cause?: ReviewKdError): void {
    if (this.options.signal?.aborted !== true) return;
    throw new ReviewKdError("ABORTED", "the study was stopped while it waited.", { cause });
  }

  /** Trains cells, and returns those that another process trains or that wait for such a teacher. */
  async *#pass(cells: readonly Cell[]): AsyncGenerator<StudyEvent, readonly Cell[], void> {
    const left: Cell[] = [];
    for (const cell of cells) {
      this.#throwIfStopped();
      const teacher = this.study.requirementOf(cell);
      if (teacher !== undefined && this.states.get(teacher)?.is === "failed") continue;
      const skipped = this.states.get(cell)?.is === "done";
      if (!(yield* this.#cell(cell))) left.push(cell);
      else if (!skipped) yield* this.#resultSoFar();
    }
    return left;
  }

  /** Returns false for a cell that another process may finish. */
  async *#cell(cell: Cell): AsyncGenerator<StudyEvent, boolean, void> {
    const { label, seed } = cell;
    try {
      const { last, best, seconds } = yield* this.#trainer.cell(cell);
      if (last !== null && best !== null) this.states.set(cell, { is: "done", last, best, seconds: seconds ?? 0 });
      return true;
    } catch (error) {
      const failure = isReviewKdError(error) ? error
        : new ReviewKdError("INTERNAL", messageOf(error), { cause: error });
      const { code, message } = failure;
      // Nothing of a cell that another process trains has to be saved.
      if (OF_OTHERS.has(code)) this.#throwIfStopped(failure);
      if (this.options.signal?.aborted === true) throw error;
      if (code === "RUN_LOCKED") {
        if (!this.#locked.has(cell))
          yield { type: "cell-locked", ...this.#trainer.place(cell), label, seed, message };
        this.#locked.add(cell);
        return false;
      }
      if (this.#waitsForTeacher(cell, code)) return false;
      this.states.set(cell, { is: "failed", error: failure });
      this.#clock.finished(cell, null);
      yield { type: "cell-failed", ...this.#trainer.place(cell), label, seed, code, message };
      return true;
    }
  }

  /** Whether a teacher that another process trains, or could not train, is tried here before its students. */
  #waitsForTeacher(cell: Cell, code: ErrorCode): boolean {
    if (code !== "TEACHER_UNFINISHED" && code !== "TEACHER_FAILED") return false;
    const teacher = this.study.requirementOf(cell);
    // One that was done has been removed or damaged since.
    return teacher !== undefined && this.states.get(teacher)?.is !== "done";
  }

  /** Writes intermediate results. They are written again after the next cell, so a failure does not end the study. */
  async *#resultSoFar(): AsyncGenerator<StudyEvent, void, void> {
    try {
      await this.study.directory.writeResult(await resultOf(this.study, this.states));
    } catch (error) {
      yield { type: "study-notice", message: `cannot write the results so far: ${messageOf(error)}` };
    }
  }
}
