import { assertDataSuits } from "../api/data-suits.js";
import { readWeightsInfo } from "../api/model.js";
import { networkInfo } from "../api/network.js";
import { valueIfNamed } from "../api/task.js";
import { withHome } from "../config/file-path.js";
import type { Evaluation } from "../config/schemas/epoch.js";
import type { PlannedCell, StudyConfig, StudyConfigInput } from "../config/schemas/study.js";
import type { TaskInfo } from "../config/schemas/task.js";
import type { Settings } from "../config/settings.js";
import { withAdvice } from "../config/weights-advice.js";
import { exists } from "../runs/directory-files.js";
import { locateFiles, withWorkingDirectory } from "../runs/working-directory.js";
import { failureIn, inspectCell, type CellState } from "./cell-state.js";
import { cellsOf, TEACHER, type Cell } from "./plan/cells.js";
import { conditionsOf, type Condition } from "./plan/conditions.js";
import { matchedStages, type MatchedStages } from "./plan/matched-stages.js";
import { parseStudyConfig } from "./plan/study-config.js";
import { SharedInputs } from "./shared-inputs.js";
import { isEqual, noStudy, StudyDirectory } from "./study-directory.js";

/** A study in its directory: all that its configuration determines, and the inputs that its cells share. */
export class Study implements Disposable {
  readonly taskInfo: TaskInfo;
  readonly stages: MatchedStages;
  readonly conditions: readonly Condition[];
  readonly cells: readonly Cell[];
  readonly inputs: SharedInputs;
  /** The contents of `study.json` when this was read; undefined if it was planned here. */
  #recorded: unknown;

  /** @param files - the configuration with the paths by which this process finds its files. */
  private constructor(readonly config: StudyConfig, readonly directory: StudyDirectory, files: StudyConfig) {
    this.stages = matchedStages(config.student.name, config.teacher.name);
    assertDataSuits(config.student.name, config.data.kind);
    this.taskInfo = networkInfo(config.student.name, "student").task;
    this.conditions = conditionsOf(config, this.stages);
    this.cells = cellsOf(config, this.conditions, directory.path);
    this.inputs = new SharedInputs(files.data);
  }

  /**
   * The study of these settings, recorded in the directory if it is new. `updates`: other processes, which read it
   * there, use these settings from now on, also those that change no result.
   *
   * @throws as {@link planStudy}
   */
  static async plan(input: StudyConfigInput | Settings, path: string,
    options: { readonly updates?: boolean } = {}): Promise<Study> {
    const directory = new StudyDirectory(withHome(path, "directory"));
    const config = await withWorkingDirectory(parseStudyConfig(input), directory.file("config"));
    const files = await locateFiles(config);
    const study = new Study(config, directory, files);
    // A misspelled path must not become the recorded setting of a new study.
    if (files.teacher.weights !== undefined && !(await exists(directory.file("config"))))
      await withAdvice("teacher",
        readWeightsInfo(files.teacher.weights, files.teacher.key === undefined ? {} : { key: files.teacher.key }));
    await directory.record(config, options);
    return study;
  }

  /** The study that was planned in a directory. @throws `RUN_DIRECTORY`: there is none; `CONFIG_INVALID` */
  static async open(path: string): Promise<Study> {
    const directory = new StudyDirectory(withHome(path, "directory"));
    const recorded = await directory.readConfig();
    if (recorded === undefined) throw noStudy(directory.path);
    const config = await withWorkingDirectory(parseStudyConfig(recorded as Settings, directory.file("config")),
      directory.file("config"));
    const study = new Study(config, directory, await locateFiles(config));
    study.#recorded = recorded;
    return study;
  }

  /** Whether the directory still holds this study: it may have been removed, and another one planned in its place. */
  async isCurrent(): Promise<boolean> {
    const recorded = await this.directory.readConfig();
    return recorded !== undefined && isEqual(recorded, this.#recorded ?? this.config);
  }

  /** The state of a cell on disk. */
  async inspect(cell: Cell): Promise<CellState> {
    return inspectCell(cell, await this.trainSamples());
  }

  /** Training images; 0 if every cell ends after whole epochs, whose number does not depend on it. */
  async trainSamples(): Promise<number> {
    const needed = this.cells.some(({ config }) => config.training.maxSteps !== null);
    return needed ? (await this.inputs.data()).train.size : 0;
  }

  /** Loads what a cell needs from outside of the study's directory: the data, and a teacher from a file. */
  async load({ config }: Cell): Promise<void> {
    await this.inputs.data();
    if (config.task === "distill" && this.teacherCell === undefined) await this.inputs.teacher(config);
  }

  /** The cell that trains the teacher, which is the first; `undefined` if it comes from a file. */
  get teacherCell(): Cell | undefined {
    return this.cells.find(({ id }) => id === TEACHER);
  }

  /** The cell that must be done before another one: the teacher of a distillation, unless it comes from a file. */
  requirementOf({ config }: Cell): Cell | undefined {
    return config.task === "distill" ? this.teacherCell : undefined;
  }

  planned(cell: Cell, state: CellState): PlannedCell {
    const { id, label, seed } = cell;
    const requirement = this.requirementOf(cell);
    const failure = failureIn(state);
    return { index: this.cells.indexOf(cell), id, label, seed, state: failure === undefined ? state.is : "failed",
      error: failure ?? null, waitsFor: requirement === undefined ? null : this.cells.indexOf(requirement) };
  }

  /** The metric by which the students are compared; `null` if the network has none. */
  primaryOf(evaluation: Evaluation): number | null {
    return valueIfNamed(evaluation, this.taskInfo.primaryMetric) ?? null;
  }

  /** The teacher's value of that metric, as far as it is known: of its cell, or as measured from its file. */
  async teacherMetric(): Promise<number | null> {
    const { teacherCell } = this;
    if (teacherCell === undefined) return (await this.directory.readTeacher())?.metric ?? null;
    const state = await this.inspect(teacherCell);
    return state.is === "done" ? this.primaryOf(state.last) : null;
  }

  [Symbol.dispose](): void {
    this.inputs[Symbol.dispose]();
  }
}
