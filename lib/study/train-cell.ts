import { z } from "zod";
import { Detector } from "../api/detection/detector.js";
import { networkInfo } from "../api/network.js";
import { systemInfo } from "../api/system.js";
import { primaryMetric } from "../api/task.js";
import { asSentence, isReviewKdError, messageOf, ReviewKdError } from "../errors.js";
import { teacherNotices } from "../fit/teacher-notices.js";
import type { FitEvent } from "../config/schemas/fit-event.js";
import type { CellResult, StudyEvent, StudySystem } from "../config/schemas/study.js";
import { runDistillation, runTraining } from "../runs/experiment.js";
import { cellResult, failureIn, forgetFailure, recordFailure, type CellState } from "./cell-state.js";
import type { EtaEstimator } from "./eta-estimator.js";
import { TEACHER, type Cell } from "./plan/cells.js";
import { weakTeacherNotice } from "./results/weak-teacher.js";
import type { Study } from "./study.js";

/** How the cells of a study are trained. */
export interface CellOptions {
  /** Stops within one step and saves. */
  readonly signal?: AbortSignal | undefined;
  /** Take over the directories from a process on another machine that did not release them. Default false. */
  readonly forceUnlock?: boolean | undefined;
}

/** The part of {@link CellOptions} that is plain data. */
export const CellSettings = z.strictObject({ forceUnlock: z.boolean().default(false) });

/** A cell that is done; `here`: this process trained an epoch of it. */
type Done = Extract<CellState, { is: "done" }> & { readonly here: boolean };

/** Trains cells of a study in this process. Those of other processes are safe: each cell's run has its own lock. */
export class CellTrainer {
  /** Whether the data and the teacher were looked at. */
  #isPrepared = false;

  constructor(private readonly study: Study, private readonly options: CellOptions,
    private readonly clock: EtaEstimator) {}

  /**
   * Trains a cell, or resumes it; returns at once if it is done. Yields its start, its run and its end.
   *
   * @throws `TEACHER_UNFINISHED`, `TEACHER_FAILED`, `RUN_LOCKED`, and what its run throws.
   */
  async *cell(cell: Cell): AsyncGenerator<StudyEvent, CellResult, void> {
    const { label, seed } = cell;
    const found = await this.study.inspect(cell);
    if (found.is === "failed") throw found.error;
    const done = found.is === "done" ? { ...found, here: false } : yield* this.#train(cell, found);
    const result = cellResult(cell, done);
    this.clock.finished(cell, result.seconds);
    yield { type: "cell-end", ...this.place(cell), label, seed, skipped: !done.here, taskInfo: this.#taskOf(cell),
      result };
    if (done.here) yield* this.#judgeTeacher(result);
    return result;
  }

  /** Where a cell is in its study. */
  place(cell: Cell): { readonly cell: string; readonly index: number; readonly cells: number } {
    const { cells } = this.study;
    return { cell: cell.id, index: cells.indexOf(cell), cells: cells.length };
  }

  /**
   * Detects problems of cells before the first one: unreadable data, weights of a teacher that do not fit. Measures a
   * teacher from a file that they learn from, unless a process has done so.
   */
  async *prepare(cells: readonly Cell[]): AsyncGenerator<StudyEvent, void, void> {
    if (this.#isPrepared) return;
    this.#isPrepared = true;
    const { study } = this;
    const { test, notices } = await study.inputs.data();
    for (const { text } of notices) yield { type: "study-notice", message: text };
    const distillation = cells.map((cell) => cell.config).find((run) => run.task === "distill");
    if (study.teacherCell !== undefined || distillation === undefined) return;
    const { taskInfo, config } = study;
    const known = await study.directory.readTeacher();
    const teacher = await study.inputs.teacher(distillation);
    if (known !== undefined) {
      yield { type: "study-teacher", name: known.name, taskInfo, metric: known.metric };
      return;
    }
    const { evaluationBatchSize: batchSize, teacherPrecision: precision = config.training.precision } = config.training;
    const evaluation = await teacher.evaluate(test, { batchSize, precision, signal: this.options.signal })
      .catch((error: unknown) => {
        // A detector for other classes is a teacher, but not judged.
        if (isReviewKdError(error) && error.code === "SHAPE_MISMATCH" && teacher instanceof Detector) return null;
        throw error;
      });
    const metric = evaluation === null ? null : study.primaryOf(evaluation);
    await study.directory.writeTeacher({ name: teacher.name, metric });
    yield { type: "study-teacher", name: teacher.name, taskInfo, metric };
    if (evaluation === null || metric === null) return;
    const found = teacherNotices({ name: teacher.name, taskInfo, test: evaluation, data: await study.inputs.data(),
      preset: config.preset });
    for (const { message } of found) yield { type: "study-notice", message: `warning: ${message}` };
  }

  async *#train(cell: Cell, found: CellState): AsyncGenerator<StudyEvent, Done, void> {
    await this.#requireTeacher(cell);
    try {
      // Before the data are loaded: students of a teacher that is tried again must not see why it failed before.
      await forgetFailure(cell);
      yield* this.prepare([cell]);
      return yield* this.#run(cell, found);
    } catch (error) {
      const failure = isReviewKdError(error) ? error
        : new ReviewKdError("INTERNAL", messageOf(error), { cause: error });
      if (this.options.signal?.aborted !== true) await recordFailure(cell, failure);
      throw failure;
    }
  }

  async *#run(cell: Cell, found: CellState): AsyncGenerator<StudyEvent, Done, void> {
    let done: Done | undefined;
    // Another process may have finished the cell since it was read.
    let here = false;
    // Notices of weights precede the lock, without which the cell has not started here.
    let early: FitEvent[] | undefined = [];
    for await (const run of this.#events(cell)) {
      if (early !== undefined && run.type === "notice") {
        early.push(run);
        continue;
      }
      if (early !== undefined) {
        yield* this.#start(cell, found);
        for (const notice of early) yield this.#runEvent(cell, notice);
        early = undefined;
      }
      if (run.type === "epoch") here = true;
      if (run.type === "end") done = { is: "done", here, last: run.last, best: run.best, seconds: run.seconds };
      yield this.#runEvent(cell, run);
    }
    if (done === undefined) throw new ReviewKdError("INTERNAL", `missing end of the training of ${cell.id}.`);
    return done;
  }

  /** The start of a cell that this process has locked, unless another one has finished it meanwhile. */
  async *#start(cell: Cell, found: CellState): AsyncGenerator<StudyEvent, void, void> {
    if ((await this.study.inspect(cell)).is === "done") return;
    await this.study.directory.writeSystem(await studySystem());
    yield { type: "cell-start", ...this.place(cell), label: cell.label, seed: cell.seed,
      resumed: found.is === "begun" };
  }

  #runEvent(cell: Cell, run: FitEvent): StudyEvent {
    return { type: "cell-run", ...this.place(cell), run, etaSeconds: this.clock.during(cell, run) };
  }

  async *#events({ config, runDirectory }: Cell): AsyncGenerator<FitEvent, void, void> {
    const { study: { inputs }, options: { signal, forceUnlock } } = this;
    const data = await inputs.data();
    // Decided under the directory's lock: another process may have begun the cell, or finished it, since it was read.
    const resume = "auto";
    if (config.task === "train") {
      yield* runTraining(config, { data }, { runDirectory, resume, forceUnlock, signal });
      return;
    }
    try {
      // The study measures the teacher once.
      yield* runDistillation(config, { data, teacher: await inputs.teacher(config) }, { runDirectory, resume,
        forceUnlock, evaluateTeacher: false, signal });
    } finally {
      inputs.used(config);
    }
  }

  async #requireTeacher(cell: Cell): Promise<void> {
    const teacher = this.study.requirementOf(cell);
    if (teacher === undefined) return;
    const state = await this.study.inspect(teacher);
    if (state.is === "done") return;
    const { index, cells } = this.place(cell);
    const statement = `invalid cell ${index} of ${cells}, ${cell.id}: expected its teacher to be trained, received one`;
    const failure = failureIn(state);
    if (failure === undefined) {
      throw new ReviewKdError("TEACHER_UNFINISHED",
        `${statement} that is not done. Train cell ${this.place(teacher).index} first.`);
    }
    throw new ReviewKdError("TEACHER_FAILED",
      `${statement} that has failed with ${failure.code}: ${asSentence(failure.message)} Train cell ${this.place(teacher).index} again first.`);
  }

  /** Compares the teacher with a student alone: before the students that learn from it, to stop in time. */
  async *#judgeTeacher(result: CellResult): AsyncGenerator<StudyEvent, void, void> {
    const isAlone = this.study.conditions.some(({ id, baseline }) => id === result.condition && baseline === null);
    const metric = isAlone ? await this.study.teacherMetric() : null;
    if (metric === null) return;
    const message = weakTeacherNotice(primaryMetric(this.study.taskInfo), metric, result);
    if (message !== undefined) yield { type: "study-notice", message };
  }

  /** A teacher may be a detector of another kind, with other metrics. */
  #taskOf({ id }: Cell) {
    return id === TEACHER ? networkInfo(this.study.config.teacher.name, "teacher").task : this.study.taskInfo;
  }
}

export async function studySystem(): Promise<StudySystem> {
  const { version, node, platform, libtorch, cuda, threads, cpu } = await systemInfo();
  return { version, node, platform, libtorch: { version: libtorch.version, cudaBuild: libtorch.cudaBuild }, cuda,
    threads, cpu };
}
