import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ERROR_CODES, isReviewKdError, ReviewKdError, type ErrorCode } from "../errors.js";
import { trainingLength } from "../fit/training-length.js";
import { readText, tryParseJson, writeAtomic } from "../runs/directory-files.js";
import { readFitProgress } from "../runs/run-state.js";
import { holdsRun } from "../runs/run-directory.js";
import type { FitResult } from "../config/schemas/run-record.js";
import type { CellResult } from "../config/schemas/study.js";
import type { Cell } from "./plan/cells.js";

/** How the newest training of a cell failed. */
const Failure = z.object({ code: z.enum(ERROR_CODES), message: z.string() });
type Failure = z.infer<typeof Failure>;

/** The state of a cell, as found on disk or after its run. */
export type CellState =
  /** `failure`: of its newest training, which can be repeated. */
  | { readonly is: "new" | "begun"; readonly failure?: Failure }
  | ({ readonly is: "done" } & Pick<FitResult, "last" | "best" | "seconds">)
  | { readonly is: "failed"; readonly error: ReviewKdError };

/** In the run directory of a cell: why its training failed. */
const FAILURE_FILE = "failure.json";

/** Attempts to read a run while another process replaces its checkpoint. */
const READ_ATTEMPTS = 5;

/**
 * The state of a cell, failed if its directory cannot be read. `trainSamples`: of its data. @throws `RUN_MISMATCH`
 */
export async function inspectCell(cell: Cell, trainSamples: number): Promise<CellState> {
  for (let attempt = 1;; attempt++) {
    try {
      return await stateOnDisk(cell, trainSamples);
    } catch (error) {
      if (!isReviewKdError(error) || error.code === "RUN_MISMATCH") throw error;
      if (error.code === "FILE_NOT_FOUND" && attempt < READ_ATTEMPTS) continue;
      const remedy = `Remove ${cell.runDirectory} to train this cell again.`;
      return { is: "failed", error: new ReviewKdError(error.code, `${error.message} ${remedy}`, { cause: error }) };
    }
  }
}

async function stateOnDisk({ runDirectory, config }: Cell, trainSamples: number): Promise<CellState> {
  if (!(await holdsRun(runDirectory, config))) return unfinished("new", runDirectory);
  const progress = await readFitProgress(runDirectory);
  if (progress === undefined) return unfinished("begun", runDirectory);
  const { epochsDone, last, best, elapsedSeconds } = progress;
  const { epochs } = trainingLength(config.training, trainSamples);
  if (epochsDone < epochs || last === null || best === null) return unfinished("begun", runDirectory);
  return { is: "done", last, best, seconds: elapsedSeconds };
}

async function unfinished(is: "new" | "begun", runDirectory: string): Promise<CellState> {
  const text = await readText(join(runDirectory, FAILURE_FILE)).catch(() => undefined);
  const failure = Failure.safeParse(tryParseJson(text ?? "")).data;
  return failure === undefined ? { is } : { is, failure };
}

/** Errors that say nothing about a cell: it was stopped, waits, or is another process's. */
const NO_FAILURES: ReadonlySet<ErrorCode> = new Set(["ABORTED", "TEACHER_UNFINISHED", "TEACHER_FAILED", "RUN_LOCKED",
  "RUN_MISMATCH"]);

/**
 * Records why a cell failed, for those who collect the results, if its directory can be written: also before its run
 * has one. A directory with nothing else in it holds no run.
 */
export async function recordFailure({ runDirectory }: Cell, { code, message }: ReviewKdError): Promise<void> {
  if (NO_FAILURES.has(code)) return;
  // Without its parents: the study may have been removed.
  await mkdir(runDirectory).catch(() => undefined);
  const text = `${JSON.stringify({ code, message }, null, 2)}\n`;
  await writeAtomic(runDirectory, join(runDirectory, FAILURE_FILE), text).catch(() => undefined);
}

/** Forgets an earlier failure of a cell that is done. */
export async function forgetFailure({ runDirectory }: Cell): Promise<void> {
  await rm(join(runDirectory, FAILURE_FILE), { force: true }).catch(() => undefined);
}

/** Why a cell has failed, as far as its state says so. */
export function failureIn(state: CellState): Failure | undefined {
  if (state.is === "failed") return { code: state.error.code, message: state.error.message };
  return state.is === "done" ? undefined : state.failure;
}

export function cellResult({ id, condition, seed, runDirectory }: Cell, state: CellState): CellResult {
  const nothing = { last: null, best: null, seconds: null, error: null };
  const shared = { id, condition, seed, runDirectory, ...nothing };
  if (state.is === "done")
    return { ...shared, status: "done", last: state.last, best: state.best, seconds: state.seconds };
  const failure = failureIn(state);
  return failure === undefined ? { ...shared, status: "waiting" }
    : { ...shared, status: "failed", error: { ...failure } };
}
