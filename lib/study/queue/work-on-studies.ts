import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { throwIfAborted } from "../../api/abort.js";
import { PositiveCount, PositiveNumber } from "../../config/schemas/common.js";
import type { FitEvent } from "../../config/schemas/fit-event.js";
import { QueueUrl, type WorkEvent } from "../../config/schemas/study.js";
import { assertObject, parse, withoutPassword } from "../../config/validation.js";
import { asSentence, isReviewKdError, messageOf, ReviewKdError, type ErrorCode } from "../../errors.js";
import { trainCell } from "../run-study-cell.js";
import { Study } from "../study.js";
import { failureOf, failureText, hasFailed, JobData, jobId, unlessUnreachable, type JobProgress } from "./cell-jobs.js";
import { closeWorker, QueueConnection, workerName, type CellJob, type CellWorker } from "./connection.js";
import { JobLock, type LockOptions } from "./job-lock.js";

/** Options of {@link workOnStudies}. */
export interface WorkOptions {
  /** The Redis of the queue: `redis://HOST:PORT`, with `/NUMBER` for another of its databases. */
  readonly queue: string;
  /** End when the queue is empty, and no other worker has a cell that could come back. Default false. */
  readonly untilEmpty?: boolean | undefined;
  /** A worker that is silent for so long is lost, its cell stalled: another one resumes it. Default 60. */
  readonly lockSeconds?: number | undefined;
  /** A cell that stalls more often, since its workers are lost, has failed: it may be what ends them. Default 20. */
  readonly maxStalled?: number | undefined;
  /**
   * Take cells over from processes on other machines that did not release them, as after a loss of the machine without
   * a queue: they must have ended. Default false.
   */
  readonly forceUnlock?: boolean | undefined;
  /** Stops within one step, saves, gives the cell back and ends. */
  readonly signal?: AbortSignal | undefined;
}

const Options = z.strictObject({
  queue: QueueUrl,
  untilEmpty: z.boolean().default(false),
  lockSeconds: PositiveNumber.min(1).default(60),
  maxStalled: PositiveCount.default(20),
  forceUnlock: z.boolean().default(false),
});

/** Between looks at an empty queue. */
const IDLE_MS = 500;

/**
 * Before a cell is tried again whose teacher is not done, whose directory another process has, or whose files a worker
 * cannot read: longer each time. The worker that finishes a cell ends the wait of all.
 */
const RETRY_MS = { first: 3000, last: 60_000 } as const;

/** Workers that could not read a cell's study, data or teacher before the cell is taken for what is wrong. */
const MOST_UNREADABLE = 10;

/** How long a cell is tried whose directory another process has. */
const MOST_LOCKED_MS = 90 * 60_000;

/** Tries that it has in any case: there may have been no worker meanwhile. */
const LEAST_LOCKED = 10;

/** Between reports of a cell's progress. */
const REPORT_MS = 1000;

/** Errors of the machine, not of a cell: another worker may not have them. */
const OF_MACHINE: ReadonlySet<ErrorCode> = new Set(["ADDON_NOT_FOUND", "ADDON_LOAD_FAILED", "DEPENDENCY_MISSING",
  "CUDA_UNAVAILABLE"]);

/** Errors of data and weights that another machine may have, or have whole. */
const OF_FILES: ReadonlySet<ErrorCode> = new Set(["FILE_NOT_FOUND", "FILE_ACCESS", "FILE_CORRUPT"]);

/**
 * Trains cells from a queue that {@link queueStudy} fills, one at a time, until it is stopped. Any
 * number of processes, on any number of machines that share the studies' directories under the same path, can do so. A
 * cell whose worker is killed, or lost with its machine, is resumed by another one from its newest checkpoint, to the
 * same bits. A cell that fails by itself is not tried again until its study is queued again. Requires the packages
 * `bullmq` and `ioredis`.
 *
 * A cell whose study, data or teacher's weights cannot be read here is given back for workers that can, and this one
 * ends with the error; if ten could not, the cell has failed.
 *
 * Workers train what the queue names: keep its Redis private.
 *
 * @throws `DEPENDENCY_MISSING`; `QUEUE_UNREACHABLE`: at the start, or for longer than `lockSeconds`, after the cell was
 * saved; `ABORTED` after `signal` was aborted, the cell saved and given back; and errors of this machine, with the cell
 * given back: such as `ADDON_LOAD_FAILED`; `FILE_NOT_FOUND`, `FILE_ACCESS` and `FILE_CORRUPT` of data and of a
 * teacher's weights; `RUN_DIRECTORY` if it has seen no study yet.
 *
 * @example
 * ```ts
 * for await (const event of workOnStudies({ queue: "redis://127.0.0.1:6379", untilEmpty: true })) {
 *   if (event.type === "work-cell" && event.event.type === "cell-end") console.log(event.event.cell);
 * }
 * ```
 */
export async function* workOnStudies(options: WorkOptions): AsyncGenerator<WorkEvent, void, void> {
  assertObject(options, "worker options");
  const { signal, ...rest } = options;
  const { queue, lockSeconds, ...how } = parse(Options, rest, "worker options", "INVALID_ARGUMENT", ["signal"]);
  throwIfAborted(signal, "the worker");
  const lockMs = lockSeconds * 1000;
  await using connection = await QueueConnection.open(queue, lockMs);
  const worker = await connection.worker({ lockMs, maxStalled: how.maxStalled });
  using loop = new WorkLoop(connection, worker, { ...how, lockMs, signal });
  try {
    yield { type: "work-start", queue: withoutPassword(queue), worker: workerName() };
    yield* loop.run();
  } finally {
    await closeWorker(worker);
  }
}

interface LoopOptions extends LockOptions {
  readonly maxStalled: number;
  readonly forceUnlock: boolean;
  readonly untilEmpty: boolean;
}

class WorkLoop implements Disposable {
  /** Under which this process holds its job. */
  readonly #token = randomUUID();
  /** The study of the newest cell: the next one often has the same data and teacher. */
  #study: Study | undefined;
  #hasSeenStudy = false;
  #counts = { done: 0, failed: 0 };

  constructor(private readonly connection: QueueConnection, private readonly worker: CellWorker,
    private readonly options: LoopOptions) {}

  async *run(): AsyncGenerator<WorkEvent, void, void> {
    const { untilEmpty, signal } = this.options;
    let isIdle = false;
    for (;;) {
      if (signal?.aborted === true)
        throw new ReviewKdError("ABORTED", "the worker was stopped. Start it again to continue.");
      const job = await this.connection.call<CellJob | undefined>(
        this.worker.getNextJob(this.#token, { block: false }),
      );
      if (job !== undefined) {
        isIdle = false;
        yield* this.#job(job);
        continue;
      }
      if (untilEmpty && await this.#isEmpty()) break;
      if (!isIdle) yield { type: "work-idle" };
      isIdle = true;
      await sleep(IDLE_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
    yield { type: "work-end", ...this.#counts };
  }

  /** No cell waits, and none that another worker has could come back. */
  async #isEmpty(): Promise<boolean> {
    const counts = await this.connection.call(
      this.connection.queue.getJobCounts("wait", "prioritized", "delayed", "active"),
    );
    return Object.values(counts).every((count) => count === 0);
  }

  async *#job(job: CellJob): AsyncGenerator<WorkEvent, void, void> {
    using lock = new JobLock(job, this.#token, this.options);
    const parsed = JobData.safeParse(job.data);
    if (!parsed.success) {
      await this.#fail(job,
        new ReviewKdError("INVALID_ARGUMENT",
          "invalid job: expected a directory and the index of a cell, received other data. Let `queueStudy` fill the queue."));
      return;
    }
    const { directory, index } = parsed.data;
    if (job.stalledCounter > this.options.maxStalled) {
      const error = new ReviewKdError("WORKER_EXITED",
        `cell ${index} of ${directory} has lost its worker ${job.stalledCounter} times: it may be what ends them. Check the memory that it needs, and queue the study again to try once more.`);
      await this.#fail(job, error);
      yield { type: "work-failed", directory, index, code: error.code, message: error.message };
      return;
    }
    let isSettled = false;
    let study: Study | undefined;
    try {
      study = await this.#open(parsed.data);
      yield* this.#train(job, parsed.data, study, lock);
      isSettled = true;
      yield* this.#complete(job, parsed.data);
    } catch (thrown) {
      isSettled = true;
      const error = isReviewKdError(thrown) ? thrown
        : new ReviewKdError("INTERNAL", messageOf(thrown), { cause: thrown });
      const hasOpened = study !== undefined;
      const { reason, failure } = await this.#afterFailure(job, parsed.data, lock, { error, hasOpened })
        .catch((refusal: unknown): Outcome => ({ reason: unlessUnreachable(refusal) }));
      yield failure === undefined
        ? { type: "work-returned", directory, index, reason, message: error.message }
        : { type: "work-failed", directory, index, code: failure.code, message: failure.message };
      // A worker that has seen a study sees the directories: this one is gone.
      const isUnreadable = reason === "unreadable" && !(error.code === "RUN_DIRECTORY" && this.#hasSeenStudy);
      if (OF_MACHINE.has(error.code) || error.code === "QUEUE_UNREACHABLE" || isUnreadable) throw error;
    } finally {
      // The caller has left the loop.
      if (!isSettled) await this.#giveBack(job);
    }
  }

  async *#complete(job: CellJob, { directory, index }: JobData): AsyncGenerator<WorkEvent, void, void> {
    const reason = await this.connection.call(job.moveToCompleted(null, this.#token, false))
      .then(() => undefined, unlessUnreachable);
    if (reason !== undefined) {
      // The cell is done all the same; the worker that has the job now sees it.
      yield { type: "work-returned", directory, index, reason, message: null };
      return;
    }
    this.#counts.done++;
    // Those that wait for their teacher, which this may have been.
    await this.connection.call(this.connection.queue.promoteJobs());
  }

  /** Gives the job of a cell that is not done back, or fails it. `hasOpened`: its study and data could be read. */
  async #afterFailure(job: CellJob, data: JobData, lock: JobLock,
    { error, hasOpened }: { readonly error: ReviewKdError; readonly hasOpened: boolean }): Promise<Outcome> {
    const { code } = error;
    // Another worker may have it already.
    if (lock.isLost || code === "QUEUE_UNREACHABLE") return { reason: "lost" };
    if (code === "ABORTED" || OF_MACHINE.has(code)) {
      await this.#giveBack(job);
      return { reason: "stopped" };
    }
    if (!hasOpened) return this.#returnUnreadable(job, data, error);
    if (code === "RUN_LOCKED") return this.#returnLocked(job, data, error);
    if (code === "TEACHER_UNFINISHED" || code === "TEACHER_FAILED") return this.#returnStudent(job, data, error);
    return this.#fail(job, error);
  }

  /** For a worker that can read the study and its data, which this one cannot. */
  async #returnUnreadable(job: CellJob, data: JobData, error: ReviewKdError): Promise<Outcome> {
    const unreadable = data.unreadable + 1;
    if (unreadable > MOST_UNREADABLE) return this.#fail(job, error);
    await this.#delay(job, unreadable, { ...data, unreadable });
    return { reason: "unreadable" };
  }

  async #returnLocked(job: CellJob, data: JobData, error: ReviewKdError): Promise<Outcome> {
    const locked = data.locked + 1;
    const lockedSince = data.lockedSince ?? Date.now();
    if (locked <= LEAST_LOCKED || Date.now() - lockedSince < MOST_LOCKED_MS) {
      await this.#delay(job, locked, { ...data, locked, lockedSince });
      return { reason: "locked" };
    }
    return this.#fail(job,
      new ReviewKdError("RUN_LOCKED",
        `${asSentence(error.message)} It was so for ${MOST_LOCKED_MS / 60_000} minutes. Queue the study again once that process has ended; workers with \`forceUnlock\` (on the command line \`reviewkd work --force-unlock\`) take its cells over.`));
  }

  /** A failed teacher is not trained again by itself, so that its students would wait for ever. */
  async #returnStudent(job: CellJob, { directory, index }: JobData, error: ReviewKdError): Promise<Outcome> {
    const teacher = await this.connection.call<CellJob | undefined>(
      this.connection.queue.getJob(jobId({ directory, index: 0 })),
    );
    if (teacher !== undefined && hasFailed(teacher)) {
      const { code, message } = failureOf(teacher);
      return this.#fail(job,
        new ReviewKdError("TEACHER_FAILED",
          `cell ${index} of ${directory} learns from the teacher, cell 0, which has failed with ${code}: ${asSentence(message)} Queue the study again to try both once more.`));
    }
    // It has failed on disk, and is not in the queue to be tried again.
    if (teacher === undefined && error.code === "TEACHER_FAILED") return this.#fail(job, error);
    await this.#delay(job, job.attemptsStarted);
    return { reason: "teacher" };
  }

  /** Puts a job back for later, with what is to be known of it then. */
  async #delay(job: CellJob, tries: number, data?: JobData): Promise<void> {
    const delay = Math.min(RETRY_MS.last, RETRY_MS.first * Math.max(1, tries));
    if (data !== undefined) await this.connection.call(job.updateData(data));
    await this.connection.call(job.moveToDelayed(Date.now() + delay, this.#token));
  }

  async #fail(job: CellJob, failure: ReviewKdError): Promise<Outcome> {
    this.#counts.failed++;
    await this.connection.call(job.moveToFailed(new Error(failureText(failure)), this.#token, false));
    return { failure };
  }

  async #giveBack(job: CellJob): Promise<void> {
    // If it fails, the queue takes this worker for lost.
    await this.connection.call(job.moveToWait(this.#token)).catch(() => undefined);
  }

  async *#train(job: CellJob, data: JobData, study: Study, lock: JobLock): AsyncGenerator<WorkEvent, void, void> {
    const { signal } = lock;
    const directory = study.directory.path;
    // The queue knows that the worker before is lost, also on another machine. Later holders of the directory are not.
    const isReplacement = job.stalledCounter > data.replaced;
    const forceUnlock = this.options.forceUnlock || isReplacement;
    let isRecorded = !isReplacement && data.lockedSince === null;
    let reportedAt = -Infinity;
    for await (const event of trainCell(study, data.index, { signal, forceUnlock })) {
      yield { type: "work-cell", directory, event };
      if (!isRecorded && event.type === "cell-start") {
        isRecorded = true;
        await this.connection.call(
          job.updateData({ ...data, locked: 0, lockedSince: null, replaced: job.stalledCounter }),
        ).catch(() => undefined);
      }
      if (event.type !== "cell-run" || performance.now() - reportedAt < REPORT_MS) continue;
      const progress = progressOf(event.run);
      if (progress === undefined) continue;
      reportedAt = performance.now();
      // A report that is lost is replaced by the next one.
      job.updateProgress(progress).catch(() => undefined);
    }
  }

  /**
   * The study of a cell, its data and a teacher from a file, read before the cell is trained: what fails here may be
   * whole on other machines.
   */
  async #open({ directory, index }: JobData): Promise<Study> {
    if (this.#study?.directory.path !== directory || !(await this.#study.isCurrent())) {
      this.#close();
      this.#study = await Study.open(directory);
      this.#hasSeenStudy = true;
    }
    const cell = this.#study.cells[index];
    try {
      if (cell !== undefined) await this.#study.load(cell);
    } catch (error) {
      // Any other error is the cell's: its training has it as well.
      if (!isReviewKdError(error) || !(OF_FILES.has(error.code) || OF_MACHINE.has(error.code))) return this.#study;
      this.#close();
      throw error;
    }
    return this.#study;
  }

  #close(): void {
    this.#study?.[Symbol.dispose]();
    this.#study = undefined;
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}

type Returned = Extract<WorkEvent, { type: "work-returned" }>["reason"];

/** The end of a try that did not finish a cell: it was given back, for this reason, or has failed. */
type Outcome = { readonly reason: Returned; readonly failure?: undefined } | { readonly reason?: undefined;
  readonly failure: ReviewKdError };

function progressOf(run: FitEvent): JobProgress | undefined {
  if (run.type !== "progress") return undefined;
  const { epoch, epochs, step, steps, trainingStep, trainingSteps, etaSeconds } = run;
  return { worker: workerName(), epoch, epochs, step, steps, share: trainingStep / trainingSteps, etaSeconds };
}
