import { z } from "zod";
import { throwIfAborted } from "../api/abort.js";
import { FilePath } from "../config/file-path.js";
import { Count } from "../config/schemas/common.js";
import type { CellResult, StudyEvent } from "../config/schemas/study.js";
import { assertObject, parse } from "../config/validation.js";
import { isReviewKdError, ReviewKdError } from "../errors.js";
import { recordFailure } from "./cell-state.js";
import { EtaEstimator } from "./eta-estimator.js";
import { Study } from "./study.js";
import { CellSettings, CellTrainer, type CellOptions } from "./train-cell.js";

const Arguments = z.strictObject({ directory: FilePath, index: Count });

/**
 * Trains one cell of a planned study. It may be called again for any cell at any time: a cell that is done returns at
 * once, one that was stopped or killed resumes from its newest checkpoint to the same bits. It locks the cell's own run
 * directory alone, so that other processes, also on other machines, train other cells meanwhile.
 *
 * @param index - the number of the cell in the plan, from 0.
 * @returns the result of the cell.
 * @throws `RUN_DIRECTORY`: no study was planned there; `INVALID_ARGUMENT`: it has no such cell; `TEACHER_UNFINISHED`:
 * train cell 0 first; `TEACHER_FAILED`: cell 0 has failed, for the reason in the message; `RUN_LOCKED`: another process
 * trains this cell; `ABORTED` after `signal` was aborted and the state saved; and what {@link runExperiment} throws.
 *
 * @example
 * ```ts
 * for await (const event of runStudyCell("runs/seeds", Number(process.env["SLURM_ARRAY_TASK_ID"]))) {
 *   if (event.type === "cell-end") console.log(event.result.last);
 * }
 * ```
 */
export async function* runStudyCell(directory: string, index: number,
  options: CellOptions = {}): AsyncGenerator<StudyEvent, CellResult, void> {
  const given = parse(Arguments, { directory, index }, "arguments of runStudyCell");
  assertObject(options, "cell options");
  const { signal, ...rest } = options;
  const { forceUnlock } = parse(CellSettings, rest, "cell options", "INVALID_ARGUMENT", ["signal"]);
  throwIfAborted(signal, "the cell");
  using study = await Study.open(given.directory);
  return yield* trainCell(study, given.index, { signal, forceUnlock });
}

/** Trains a cell of an open study, whose inputs serve the next one as well. */
export async function* trainCell(study: Study, index: number,
  options: CellOptions): AsyncGenerator<StudyEvent, CellResult, void> {
  const cell = study.cells[index];
  if (cell === undefined) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid index of a cell of ${study.directory.path}: expected a whole number from 0 to ${study.cells.length - 1}, received ${index}. The plan lists the cells.`);
  }
  try {
    const trainSamples = await study.trainSamples().catch(async (error: unknown) => {
      if (isReviewKdError(error)) await recordFailure(cell, error);
      throw error;
    });
    return yield* new CellTrainer(study, options, new EtaEstimator([cell], trainSamples)).cell(cell);
  } catch (error) {
    if (!isReviewKdError(error)) throw error;
    const { code, message } = error;
    if (options.signal?.aborted === true && code === "ABORTED") {
      throw new ReviewKdError("ABORTED",
        `cell ${index} of ${study.directory.path}, ${cell.id}, was stopped and its state saved. Train the same cell to resume it.`,
        { cause: error });
    }
    if (code !== "RUN_LOCKED") throw error;
    throw new ReviewKdError(code, `cell ${index} of ${study.directory.path}, ${cell.id}: ${message}`, { cause: error });
  }
}
