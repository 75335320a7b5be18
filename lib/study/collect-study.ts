import { z } from "zod";
import { FilePath } from "../config/file-path.js";
import { parse } from "../config/validation.js";
import type { StudyEvent, StudyResult } from "../config/schemas/study.js";
import { cellResult, type CellState } from "./cell-state.js";
import type { Cell } from "./plan/cells.js";
import { isRerun } from "./plan/conditions.js";
import { drawPicture } from "./results/picture.js";
import { summarize } from "./results/summary.js";
import { Study } from "./study.js";
import { studySystem } from "./train-cell.js";

const Arguments = z.strictObject({ directory: FilePath });

/**
 * Reads all cells of a study and writes its tables and its picture, also while cells are being trained: each file is
 * replaced as a whole.
 *
 * @returns the results, including cells that are not done.
 * @throws `RUN_DIRECTORY`: no study was planned there, or its files cannot be written; `RUN_MISMATCH`: a cell's
 * directory holds another run.
 *
 * @example
 * ```ts
 * for await (const event of collectStudy("runs/seeds")) {
 *   if (event.type === "study-end") console.log(event.result.conditions);
 * }
 * ```
 */
export async function* collectStudy(directory: string): AsyncGenerator<StudyEvent, StudyResult, void> {
  using study = await Study.open(parse(Arguments, { directory }, "arguments of collectStudy").directory);
  return yield* collect(study, await statesOf(study));
}

/** The states of all cells on disk. */
export async function statesOf(study: Study): Promise<Map<Cell, CellState>> {
  const states = new Map<Cell, CellState>();
  for (const cell of study.cells) states.set(cell, await study.inspect(cell));
  return states;
}

/** Writes the results of cells in these states, and yields the files. */
export async function* collect(study: Study,
  states: ReadonlyMap<Cell, CellState>): AsyncGenerator<StudyEvent, StudyResult, void> {
  const { directory } = study;
  const result = await resultOf(study, states);
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

/** The results of cells in these states. */
export async function resultOf(study: Study, states: ReadonlyMap<Cell, CellState>): Promise<StudyResult> {
  const { config, stages, directory, conditions, taskInfo } = study;
  const cells = study.cells.map((cell) => cellResult(cell, states.get(cell) ?? { is: "new" }));
  return { kind: config.kind, directory: directory.path, config,
    system: await directory.readSystem() ?? await studySystem(), taskInfo, teacherMetric: await study.teacherMetric(),
    stages, cells,
    conditions: conditions.map((condition) => summarize(condition, cells, { published: isRerun(config), taskInfo })) };
}
