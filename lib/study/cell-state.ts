import { isReviewKdError, ReviewKdError } from "../errors.js";
import { trainingLength } from "../fit/training-length.js";
import { readFitProgress } from "../runs/run-state.js";
import { holdsRun } from "../runs/run-directory.js";
import type { FitResult } from "../config/schemas/run-record.js";
import type { CellResult } from "../config/schemas/study.js";
import type { Cell } from "./plan/cells.js";

/** The state of a cell, as found on disk or after its run. */
export type CellState =
  | { readonly is: "new" | "begun" }
  | ({ readonly is: "done" } & Pick<FitResult, "last" | "best" | "seconds">)
  | { readonly is: "failed"; readonly error: ReviewKdError };

/**
 * The state of a cell, failed if its directory cannot be read. `trainSamples`: of its data. @throws `RUN_MISMATCH`
 */
export async function inspectCell({ runDirectory, config }: Cell, trainSamples: number): Promise<CellState> {
  try {
    if (!(await holdsRun(runDirectory, config))) return { is: "new" };
    const progress = await readFitProgress(runDirectory);
    if (progress === undefined) return { is: "begun" };
    const { epochsDone, last, best, elapsedSeconds } = progress;
    const { epochs } = trainingLength(config.training, trainSamples);
    if (epochsDone < epochs || last === null || best === null) return { is: "begun" };
    return { is: "done", last, best, seconds: elapsedSeconds };
  } catch (error) {
    if (!isReviewKdError(error) || error.code === "RUN_MISMATCH") throw error;
    const remedy = `Remove ${runDirectory} to train this cell again.`;
    return { is: "failed", error: new ReviewKdError(error.code, `${error.message} ${remedy}`, { cause: error }) };
  }
}

export function cellResult({ id, condition, seed, runDirectory }: Cell, state: CellState): CellResult {
  const nothing = { last: null, best: null, seconds: null, error: null };
  const shared = { id, condition, seed, runDirectory, ...nothing };
  switch (state.is) {
    case "done":
      return { ...shared, status: "done", last: state.last, best: state.best, seconds: state.seconds };
    case "failed":
      return { ...shared, status: "failed", error: { code: state.error.code, message: state.error.message } };
    default:
      return { ...shared, status: "waiting" };
  }
}
