import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { throwIfAborted } from "../../api/abort.js";
import { PositiveCount, PositiveNumber } from "../../config/schemas/common.js";
import type { FitEvent } from "../../config/schemas/fit-event.js";
import type { WorkEvent } from "../../config/schemas/study.js";
import { assertObject, parse } from "../../config/validation.js";
import { isReviewKdError, messageOf, ReviewKdError, type ErrorCode } from "../../errors.js";
import { trainCell } from "../run-study-cell.js";
import { Study } from "../study.js";
import { failureText, hasFailed, JobData, jobId, type JobProgress } from "./cell-jobs.js";
import { closeWorker, QueueConnection, withoutPassword, workerName, type CellJob,
  type CellWorker } from "./connection.js";
import { QueueUrl } from "./queue-url.js";

const Numbers = z.strictObject({
  lockSeconds: PositiveNumber.min(1).default(60),
  maxLosses: PositiveCount.default(20),
  untilEmpty: z.boolean().default(false),
});

/** Options of {@link workOnStudies}. */
export interface WorkOptions {
  /** The Redis of the queue: `redis://HOST:PORT`, with `/NUMBER` for another of its databases. */
  readonly queue: string;
  /** End when the queue is empty, and no other worker has a cell that could come back. Default false. */
  readonly untilEmpty?: boolean | undefined;
  /** A worker that is silent for so long is lost: another one resumes its cell. Default 60. */
  readonly lockSeconds?: number | undefined;
  /** A cell whose workers are lost more often has failed: it may be what ends them. Default 20. */
  readonly maxLosses?: number | undefined;
  /** Stops within one step, saves, gives the cell back and ends. */
  readonly signal?: AbortSignal | undefined;
}

const Options = z.looseObject({ queue: QueueUrl, ...Numbers.shape });

/** Between looks at an empty queue. */
const IDLE_MS = 500;

/**
 * Before a cell is tried again whose teacher is not done, or whose directory another process has: longer each time. The
 * worker that finishes a cell ends the wait of all.
 */
const RETRY_MS = { first: 3000, last: 60_000 } as const;

/** Between reports of a cell's progress. */
const REPORT_MS = 1000;

/** Errors of the machine, not of a cell: another worker may not have them. */
const OF_MACHINE: ReadonlySet<ErrorCode> = new Set(["ADDON_NOT_FOUND", "ADDON_LOAD_FAILED", "DEPENDENCY_MISSING",
  "CUDA_UNAVAILABLE"]);

/**
 * Trains cells from a queue that {@link queueStudy} fills, one at a time, until it is stopped. Any
 * number of processes, on any number of machines that share the studies' directories under the same path, can do so. A
 * cell whose worker is killed, or lost with its machine, is resumed by another one from its newest checkpoint, to the
 * same bits. A cell that fails by itself is not tried again until its study is queued again. Requires the packages
 * `bullmq` and `ioredis`.
 *
 * Workers train what the queue names: keep its Redis private.
 *
 * @throws `DEPENDENCY_MISSING`; `QUEUE_UNREACHABLE`: at the start, or for longer than `lockSeconds`, after the cell was
 * saved; `ABORTED` after `signal` was aborted, the cell saved and given back; and errors of this machine, such as
 * `ADDON_LOAD_FAILED`, or `RUN_DIRECTORY` if it sees none of the directories.
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
  const { queue, untilEmpty, lockSeconds, maxLosses } = parse(Options, options, "worker options");
  const { signal } = options;
  throwIfAborted(signal, "the worker");
  const lockMs = lockSeconds * 1000;
  await using connection = await QueueConnection.open(queue, lockMs);
  const worker = await connection.worker({ lockMs, maxLosses });
  using loop = new WorkLoop(connection, worker, { lockMs, maxLosses, untilEmpty, signal });
  try {
    yield { type: "work-start", queue: withoutPassword(queue), worker: workerName() };
    yield* loop.run();
  } finally {
    await closeWorker(worker);
  }
}

interface LoopOptions {
  readonly lockMs: number;
  readonly maxLosses: number;
  readonly untilEmpty: boolean;
  readonly signal: AbortSignal | undefined;
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
    if (job.stalledCounter > this.options.maxLosses) {
      const error = new ReviewKdError("WORKER_EXITED",
        `cell ${index} of ${directory} has lost its worker ${job.stalledCounter} times: it may be what ends them. Check the memory that it needs, and queue the study again to try once more.`);
      await this.#fail(job, error);
      yield { type: "work-failed", directory, index, code: error.code, message: error.message };
      return;
    }
    let isSettled = false;
    try {
      yield* this.#train(job, parsed.data, lock);
      isSettled = true;
      yield* this.#complete(job, parsed.data);
    } catch (thrown) {
      isSettled = true;
      const error = isReviewKdError(thrown) ? thrown
        : new ReviewKdError("INTERNAL", messageOf(thrown), { cause: thrown });
      const reason = await this.#afterFailure(job, parsed.data, lock, error).catch(unlessUnreachable);
      yield reason === undefined
        ? { type: "work-failed", directory, index, code: error.code, message: error.message }
        : { type: "work-returned", directory, index, reason };
      if (OF_MACHINE.has(error.code) || error.code === "QUEUE_UNREACHABLE" ||
        (error.code === "RUN_DIRECTORY" && !this.#hasSeenStudy)) throw error;
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
      yield { type: "work-returned", directory, index, reason };
      return;
    }
    this.#counts.done++;
    // Those that wait for their teacher, which this may have been.
    await this.connection.call(this.connection.queue.promoteJobs());
  }

  /** Gives the job of a cell that is not done back, or fails it. Returns why it was given back. */
  async #afterFailure(job: CellJob, { directory }: JobData, lock: JobLock,
    error: ReviewKdError): Promise<Returned | undefined> {
    const { code } = error;
    // Another worker may have it already.
    if (lock.isLost || code === "QUEUE_UNREACHABLE") return "lost";
    if (code === "ABORTED" || OF_MACHINE.has(code)) {
      await this.#giveBack(job);
      return "stopped";
    }
    if (code === "RUN_LOCKED" || (code === "TEACHER_UNFINISHED" && !(await this.#hasTeacherFailed(directory)))) {
      const delay = Math.min(RETRY_MS.last, RETRY_MS.first * Math.max(1, job.attemptsStarted));
      await this.connection.call(job.moveToDelayed(Date.now() + delay, this.#token));
      return code === "RUN_LOCKED" ? "locked" : "teacher";
    }
    await this.#fail(job, error);
    return undefined;
  }

  async #fail(job: CellJob, error: ReviewKdError): Promise<void> {
    this.#counts.failed++;
    await this.connection.call(job.moveToFailed(new Error(failureText(error)), this.#token, false));
  }

  async #giveBack(job: CellJob): Promise<void> {
    // If it fails, the queue takes this worker for lost.
    await this.connection.call(job.moveToWait(this.#token)).catch(() => undefined);
  }

  /** A failed teacher is not trained again by itself, so that its students would wait for ever. */
  async #hasTeacherFailed(directory: string): Promise<boolean> {
    const job = await this.connection.call<CellJob | undefined>(
      this.connection.queue.getJob(jobId({ directory, index: 0 })),
    );
    return job !== undefined && hasFailed(job);
  }

  async *#train(job: CellJob, { directory, index }: JobData, lock: JobLock): AsyncGenerator<WorkEvent, void, void> {
    const study = await this.#open(directory);
    const { signal } = lock;
    // The queue knows that the worker before is lost, also on another machine.
    const forceUnlock = job.stalledCounter > 0;
    let reportedAt = -Infinity;
    for await (const event of trainCell(study, index, { signal, forceUnlock })) {
      yield { type: "work-cell", directory, event };
      if (event.type !== "cell-run" || performance.now() - reportedAt < REPORT_MS) continue;
      const progress = progressOf(event.run);
      if (progress === undefined) continue;
      reportedAt = performance.now();
      // A report that is lost is replaced by the next one.
      job.updateProgress(progress).catch(() => undefined);
    }
  }

  async #open(directory: string): Promise<Study> {
    if (this.#study?.directory.path === directory && await this.#study.isCurrent()) return this.#study;
    this.#study?.[Symbol.dispose]();
    this.#study = undefined;
    this.#study = await Study.open(directory);
    this.#hasSeenStudy = true;
    return this.#study;
  }

  [Symbol.dispose](): void {
    this.#study?.[Symbol.dispose]();
  }
}

type Returned = Extract<WorkEvent, { type: "work-returned" }>["reason"];

/** An answer of the queue to this worker that refuses its claim: the job is another one's. */
function unlessUnreachable(error: unknown): "lost" {
  if (isReviewKdError(error)) throw error;
  return "lost";
}

function progressOf(run: FitEvent): JobProgress | undefined {
  if (run.type !== "progress") return undefined;
  const { epoch, epochs, step, steps, trainingStep, trainingSteps, etaSeconds } = run;
  return { worker: workerName(), epoch, epochs, step, steps, share: trainingStep / trainingSteps, etaSeconds };
}

/** This worker's claim on a job, renewed until it is disposed; its signal is aborted when the claim is lost. */
class JobLock implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #stop = (): void => {
    this.#controller.abort();
  };
  #renewedAt = performance.now();
  #isLost = false;

  constructor(job: CellJob, token: string, private readonly options: LoopOptions) {
    const { lockMs, signal } = options;
    if (signal?.aborted === true) this.#stop();
    signal?.addEventListener("abort", this.#stop);
    this.#timer = setInterval(() => {
      job.extendLock(token, lockMs).then((renewed) => {
        if (renewed === 0) this.#lose();
        else this.#renewedAt = performance.now();
      }, () => undefined);
      if (performance.now() - this.#renewedAt > lockMs) this.#lose();
    }, lockMs / 4);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether another worker may have the job by now. */
  get isLost(): boolean {
    return this.#isLost;
  }

  #lose(): void {
    this.#isLost = true;
    this.#stop();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.options.signal?.removeEventListener("abort", this.#stop);
  }
}
