import { createHash } from "node:crypto";
import { z } from "zod";
import { Count } from "../../config/schemas/common.js";
import { ERROR_CODES, isReviewKdError, ReviewKdError } from "../../errors.js";
import type { Cell } from "../plan/cells.js";
import type { Study } from "../study.js";
import type { CellJob, QueueConnection } from "./connection.js";

/** Where a cell is, which a worker sees under the same path, and why it went back into the queue. */
export const JobData = z.strictObject({
  directory: z.string(),
  index: Count,
  /** How often a worker could not read its study, data or teacher's weights. */
  unreadable: Count.default(0),
  /** How often another process had its directory, and since when (milliseconds since 1970). */
  locked: Count.default(0),
  lockedSince: Count.nullable().default(null),
  /** How many workers that the queue has lost were replaced in its directory. */
  replaced: Count.default(0),
});
export interface JobData extends z.infer<typeof JobData> {}

/** How far the run of a cell is, as its worker reports it about once a second. */
export const JobProgress = z.strictObject({ worker: z.string(), epoch: Count, epochs: Count, step: Count, steps: Count,
  share: z.number(), etaSeconds: z.number() });
export interface JobProgress extends z.infer<typeof JobProgress> {}

/** The id of a cell in the queue, by which it is never there twice. */
export function jobId({ directory, index }: Pick<JobData, "directory" | "index">): string {
  return `${studyId(directory)}-${index}`;
}

function studyId(directory: string): string {
  return createHash("sha256").update(directory).digest("hex").slice(0, 24);
}

type JobQueue = Pick<QueueConnection, "queue" | "call">;

/** Adds cells that are not in the queue yet. */
export async function addCells({ queue, call }: JobQueue, study: Study, cells: readonly Cell[]): Promise<void> {
  const jobs = cells.map((cell) => {
    const data = { directory: study.directory.path, index: study.cells.indexOf(cell) };
    // A cell that is done is so on disk; one that failed by itself stays, with its error, until it is added again.
    return { name: cell.id, data, opts: { jobId: jobId(data), attempts: 1, removeOnComplete: true } };
  });
  await call(queue.addBulk(jobs));
}

/** A cell in the queue, and whether a worker has it. */
export interface QueuedCell {
  readonly job: CellJob;
  readonly isActive: boolean;
}

/** The jobs of a study by the index of their cell. */
export async function jobsOf({ queue, call }: JobQueue, directory: string): Promise<ReadonlyMap<number, QueuedCell>> {
  const prefix = `${studyId(directory)}-`;
  const found = new Map<number, QueuedCell>();
  for (const isActive of [false, true]) {
    const jobs: readonly (CellJob | undefined)[] = await call(
      queue.getJobs(isActive ? ["active"] : ["wait", "prioritized", "delayed", "failed"]),
    );
    for (const job of jobs) {
      // One that was removed while the list was read is missing in it.
      if (job?.id?.startsWith(prefix) === true) found.set(Number(job.id.slice(prefix.length)), { job, isActive });
    }
  }
  return found;
}

export function hasFailed(job: CellJob): boolean {
  return job.finishedOn !== undefined && Boolean(job.failedReason);
}

/** An error as the queue keeps it, which has texts alone. */
export function failureText({ code, message }: ReviewKdError): string {
  return `[${code}] ${message}`;
}

/** The error of a failed job. */
export function failureOf({ failedReason }: CellJob): ReviewKdError {
  const [, code, message] = /^\[(\w+)\] (.*)$/s.exec(failedReason) ?? [];
  return new ReviewKdError(ERROR_CODES.find((each) => each === code) ?? "INTERNAL", message ?? failedReason);
}

/** An answer of the queue that refuses a claim on a job: it is another process's. */
export function unlessUnreachable(error: unknown): "lost" {
  if (isReviewKdError(error)) throw error;
  return "lost";
}
