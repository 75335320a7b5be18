import { withAdvice } from "../config/weights-advice.js";
import { assertObject } from "../config/validation.js";
import { join } from "node:path";
import { throwIfAborted } from "../api/abort.js";
import { assertDataSuits } from "../api/data-suits.js";
import { networkInfo } from "../api/network.js";
import { Detector } from "../api/detection/detector.js";
import { isReviewKdError, messageOf, ReviewKdError } from "../errors.js";
import { teacherNotices } from "../fit/teacher-notices.js";
import { readWeightsInfo } from "../api/model.js";
import { exists } from "../runs/directory-files.js";
import { locateFiles, withWorkingDirectory } from "../runs/working-directory.js";
import { runDistillation, runTraining } from "../runs/experiment.js";
import { withHome } from "../config/file-path.js";
import type { Settings } from "../config/settings.js";
import type { Evaluation } from "../config/schemas/epoch.js";
import type { FitEvent } from "../config/schemas/fit-event.js";
import type { CellResult, StudyConfig, StudyConfigInput, StudyEvent, StudyResult,
  StudySystem } from "../config/schemas/study.js";
import type { TaskInfo } from "../config/schemas/task.js";
import { systemInfo } from "../api/system.js";
import { primaryMetric, valueIfNamed } from "../api/task.js";
import { cellResult, inspectCell, type CellState } from "./cell-state.js";
import { cellsOf, TEACHER, type Cell } from "./plan/cells.js";
import { EtaEstimator } from "./eta-estimator.js";
import { conditionsOf, isRerun, STUDENT_ALONE, type Condition } from "./plan/conditions.js";
import { matchedStages, type MatchedStages } from "./plan/matched-stages.js";
import { drawPicture } from "./results/picture.js";
import { SharedInputs } from "./shared-inputs.js";
import { parseStudyConfig } from "./plan/study-config.js";
import { openStudyDirectory, STUDY_FILES, type KeptResult, type StudyDirectory } from "./study-directory.js";
import { summarize } from "./results/summary.js";
import { weakTeacherNotice } from "./results/weak-teacher.js";

/** Options of a study: its directory and a signal that stops it. */
export interface StudyOptions {
  /** One run directory per cell, and the results. Running the same study in it again resumes it. */
  readonly directory: string;
  /** Stops within one step and saves. */
  readonly signal?: AbortSignal | undefined;
  /** Take over the directories from a study on another machine that did not release them. Default false. */
  readonly forceUnlock?: boolean | undefined;
}

/**
 * Trains all cells of a study, one after the other; skips finished cells and resumes a stopped one. A failed cell is
 * reported and the others continue. Writes tables and a picture into the study's directory.
 *
 * @returns the results, including cells that failed or that wait for a failed teacher.
 * @throws `CONFIG_INVALID`, `UNKNOWN_NAME`; `RUN_MISMATCH`: the directory holds another study; `RUN_DIRECTORY`;
 * `RUN_LOCKED`: another process writes to it; `SAVE_FAILED`: it was stopped, but a cell could not be saved; `ABORTED`
 * after `signal` was aborted and the state saved; and errors from loading the data or the teacher's weights.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), the source of these analyses
 *
 * @example
 * ```ts
 * const study = { kind: "ablation", teacher: { name: "resnet56" }, student: { name: "resnet20" }, seeds: [0, 1, 2] } as
 * const; for await (const event of runStudy(study, { directory: "runs/ablation" })) console.log(event.type);
 * ```
 */
export async function* runStudy(input: StudyConfigInput | Settings,
  given: StudyOptions): AsyncGenerator<StudyEvent, StudyResult, void> {
  assertObject(given, "study options");
  const options = { ...given, directory: withHome(given.directory, "directory") };
  const config = await withWorkingDirectory(parseStudyConfig(input), join(options.directory, STUDY_FILES.config));
  const files = await locateFiles(config);
  throwIfAborted(options.signal, "the study");
  const stages = matchedStages(config.student.name, config.teacher.name);
  assertDataSuits(config.student.name, config.data.kind);
  const conditions = conditionsOf(config, stages);
  // A misspelled path must not become the recorded setting of a new study.
  if (files.teacher.weights !== undefined && !(await exists(join(options.directory, STUDY_FILES.config))))
    await withAdvice("teacher",
      readWeightsInfo(files.teacher.weights, files.teacher.key === undefined ? {} : { key: files.teacher.key }));
  using directory = await openStudyDirectory(options.directory, config, options);
  const cells = cellsOf(config, conditions, directory.path);
  using inputs = new SharedInputs(files.data);
  // How many epochs a number of steps makes depends on the data; otherwise they are read later, if a cell is left.
  const trainSamples = config.training.maxSteps === null ? 0 : (await inputs.data()).train.size;
  const states = new Map<Cell, CellState>();
  for (const cell of cells) states.set(cell, await inspectCell(cell, trainSamples));
  try {
    const parts = { config, stages, conditions, directory, cells, trainSamples, inputs, options };
    return yield* new Study(parts, states, await directory.readResult()).run();
  } catch (error) {
    if (options.signal?.aborted !== true || !isReviewKdError(error) || error.code !== "ABORTED") throw error;
    const remedy = "Run the same study in the same directory to resume it (on the command line: the same command).";
    throw new ReviewKdError("ABORTED", `the study at ${directory.path} was stopped and its state saved. ${remedy}`, {
      cause: error,
    });
  }
}

interface StudyParts {
  readonly config: StudyConfig;
  readonly stages: MatchedStages;
  readonly conditions: readonly Condition[];
  readonly directory: StudyDirectory;
  readonly cells: readonly Cell[];
  /** 0 if every cell ends after whole epochs. */
  readonly trainSamples: number;
  readonly inputs: SharedInputs;
  readonly options: StudyOptions;
}

class Study {
  readonly #clock: EtaEstimator;
  readonly #taskInfo: TaskInfo;
  #teacherMetric: number | null;
  /** Of the process that trained; that of an earlier one until this one does. */
  #system: StudySystem | undefined;

  constructor(private readonly parts: StudyParts, private readonly states: Map<Cell, CellState>,
    earlier: KeptResult | undefined) {
    this.#clock = new EtaEstimator(parts.cells, parts.trainSamples);
    this.#taskInfo = networkInfo(parts.config.student.name, "student").task;
    this.#teacherMetric = earlier?.teacherMetric ?? null;
    this.#system = earlier?.system;
  }

  async *run(): AsyncGenerator<StudyEvent, StudyResult, void> {
    const { cells } = this.parts;
    yield this.#startEvent();
    yield* this.#prepare();
    for (const [index, cell] of cells.entries()) {
      if (this.#waitsForTeacher(cell)) continue;
      const skipped = this.#state(cell).is === "done";
      yield* this.#cell(cell, index);
      if (!skipped) yield* this.#resultSoFar();
    }
    return yield* this.#end();
  }

  #startEvent(): StudyEvent {
    const { config, directory, cells } = this.parts;
    return {
      type: "study-start",
      kind: config.kind,
      directory: directory.path,
      trainsTeacher: config.teacher.weights === undefined,
      cells: cells.map((cell) => {
        const { is } = this.#state(cell);
        return { id: cell.id, label: cell.label, seed: cell.seed, state: is === "done" || is === "begun" ? is : "new" };
      }),
    };
  }

  /** Detects problems of every cell before the first one: unreadable data, teacher weights that do not fit. */
  async *#prepare(): AsyncGenerator<StudyEvent, void, void> {
    const { cells, inputs, config, options: { signal } } = this.parts;
    if (cells.every((cell) => this.#state(cell).is === "done")) return;
    const { test, notices } = await inputs.data();
    for (const { text } of notices) yield { type: "study-notice", message: text };
    const distillation = cells.map((cell) => cell.config).find((run) => run.task === "distill");
    if (config.teacher.weights === undefined || distillation === undefined) return;
    const teacher = await inputs.teacher(distillation);
    const { evaluationBatchSize: batchSize, teacherPrecision: precision = config.training.precision } = config.training;
    const isKnown = this.#teacherMetric !== null;
    const evaluation = isKnown ? null
      : await teacher.evaluate(test, { batchSize, precision, signal }).catch((error: unknown) => {
        // A detector for other classes is a teacher, but not judged.
        if (isReviewKdError(error) && error.code === "SHAPE_MISMATCH" && teacher instanceof Detector) return null;
        throw error;
      });
    if (evaluation !== null) this.#teacherMetric = this.#primaryOf(evaluation);
    yield { type: "study-teacher", name: teacher.name, taskInfo: this.#taskInfo, metric: this.#teacherMetric };
    if (evaluation === null || this.#teacherMetric === null) return;
    const found = teacherNotices({ name: teacher.name, taskInfo: this.#taskInfo, test: evaluation,
      data: await inputs.data(), preset: config.preset });
    for (const { message } of found) yield { type: "study-notice", message: `warning: ${message}` };
  }

  async *#cell(cell: Cell, index: number): AsyncGenerator<StudyEvent, void, void> {
    const { id, label, seed } = cell;
    const place = { cell: id, index, cells: this.parts.cells.length };
    const found = this.#state(cell);
    try {
      if (found.is === "failed") throw found.error;
      if (found.is !== "done") {
        yield { type: "cell-start", ...place, label, seed, resumed: found.is === "begun" };
        for await (const run of this.#train(cell, found.is === "begun")) {
          if (run.type === "end")
            this.states.set(cell, { is: "done", last: run.last, best: run.best, seconds: run.seconds });
          yield { type: "cell-run", ...place, run, etaSeconds: this.#clock.during(cell, run) };
        }
      }
    } catch (error) {
      if (this.parts.options.signal?.aborted === true) throw error;
      this.#clock.finished(cell, null);
      const failure = isReviewKdError(error) ? error
        : new ReviewKdError("INTERNAL", messageOf(error), { cause: error });
      this.states.set(cell, { is: "failed", error: failure });
      yield { type: "cell-failed", ...place, label, seed, code: failure.code, message: failure.message };
      return;
    }
    const result = this.#cellResult(cell);
    this.#clock.finished(cell, result.seconds);
    if (id === TEACHER) this.#teacherMetric = result.last === null ? null : this.#primaryOf(result.last);
    // A teacher may be a detector of another kind, with other metrics.
    const taskInfo = id === TEACHER ? networkInfo(this.parts.config.teacher.name, "teacher").task : this.#taskInfo;
    yield { type: "cell-end", ...place, label, seed, skipped: found.is === "done", taskInfo, result };
    if (found.is !== "done") yield* this.#judgeTeacher(result);
  }

  /** Compares the teacher with a student alone: before the students that learn from it, to stop in time. */
  *#judgeTeacher(result: CellResult): Generator<StudyEvent, void, void> {
    if (result.condition !== STUDENT_ALONE.id || this.#teacherMetric === null) return;
    const message = weakTeacherNotice(primaryMetric(this.#taskInfo), this.#teacherMetric, result);
    if (message !== undefined) yield { type: "study-notice", message };
  }

  async *#train({ config, runDirectory }: Cell, resume: boolean): AsyncGenerator<FitEvent, void, void> {
    const { inputs, options: { signal, forceUnlock } } = this.parts;
    this.#system = await studySystem();
    const data = await inputs.data();
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

  /** Writes intermediate results. They are written again after the next cell, so a failure does not end the study. */
  async *#resultSoFar(): AsyncGenerator<StudyEvent, void, void> {
    try {
      await this.parts.directory.writeResult(await this.#result());
    } catch (error) {
      yield { type: "study-notice", message: `cannot write the results so far: ${messageOf(error)}` };
    }
  }

  async *#end(): AsyncGenerator<StudyEvent, StudyResult, void> {
    const { directory } = this.parts;
    const result = await this.#result();
    await directory.writeResult(result);
    for (const kind of ["csv", "json"] as const) yield { type: "study-file", kind, path: directory.file(kind) };
    const picture = await drawPicture(result);
    if ("svg" in picture) {
      await directory.writePicture(result.kind, picture.svg);
      yield { type: "study-file", kind: "picture", path: directory.picture(result.kind) };
    } else {
      yield { type: "study-notice", message: picture.missing };
    }
    yield { type: "study-end", result };
    return result;
  }

  async #result(): Promise<StudyResult> {
    const { config, stages, directory, conditions } = this.parts;
    const cells = this.parts.cells.map((cell) => this.#cellResult(cell));
    this.#system ??= await studySystem();
    const taskInfo = this.#taskInfo;
    return { kind: config.kind, directory: directory.path, config, system: this.#system, taskInfo,
      teacherMetric: this.#teacherMetric, stages, cells,
      conditions: conditions.map((condition) =>
        summarize(condition, cells, { published: isRerun(config), taskInfo })
      ) };
  }

  /** The metric by which the students are compared; `null` if the network has none. */
  #primaryOf(evaluation: Evaluation): number | null {
    return valueIfNamed(evaluation, this.#taskInfo.primaryMetric) ?? null;
  }

  #cellResult(cell: Cell): CellResult {
    return cellResult(cell, this.#state(cell));
  }

  #waitsForTeacher({ config }: Cell): boolean {
    const [first] = this.parts.cells;
    return config.task === "distill" && first?.id === TEACHER && this.#state(first).is === "failed";
  }

  #state(cell: Cell): CellState {
    return this.states.get(cell) ?? { is: "new" };
  }
}

async function studySystem(): Promise<StudySystem> {
  const { version, node, platform, libtorch, cuda, threads, cpu } = await systemInfo();
  return { version, node, platform, libtorch: { version: libtorch.version, cudaBuild: libtorch.cudaBuild }, cuda,
    threads, cpu };
}
