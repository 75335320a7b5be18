import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { throwIfAborted } from "../../api/abort.js";
import { networkInfo } from "../../api/network.js";
import { FilePath } from "../../config/file-path.js";
import type { Settings } from "../../config/settings.js";
import { QueueUrl, type StudyConfigInput, type StudyEvent, type StudyResult } from "../../config/schemas/study.js";
import { assertObject, parse, withoutPassword } from "../../config/validation.js";
import { ReviewKdError } from "../../errors.js";
import { cellResult, type CellState } from "../cell-state.js";
import { collect, statesOf } from "../collect-study.js";
import { EtaEstimator } from "../eta-estimator.js";
import { TEACHER, type Cell } from "../plan/cells.js";
import { startEvent } from "../run-study.js";
import { Study } from "../study.js";
import { addCells, failureOf, hasFailed, JobProgress, jobsOf, unlessUnreachable } from "./cell-jobs.js";
import { QueueConnection, type CellJob } from "./connection.js";

/** Options of {@link queueStudy}. */
export interface QueueStudyOptions {
  /** One run directory per cell, and the results: on a file system that all workers have under the same path. */
  readonly directory: string;
  /** The Redis of the queue: `redis://HOST:PORT`, with `/NUMBER` for another of its databases. */
  readonly queue: string;
  /** Stops watching; the workers continue. */
  readonly signal?: AbortSignal | undefined;
}

const Options = z.strictObject({ directory: FilePath, queue: QueueUrl });

/** Between looks at the queue. */
const LOOK_MS = 500;

/** Between looks for workers. */
const WORKERS_MS = 10_000;

/** How long a watcher that ends waits for the number of workers. */
const LAST_LOOK_MS = 1000;

/** How long a Redis may not answer. */
const PATIENCE_MS = 60_000;

/**
 * Puts the cells of a study that are not done into a queue (BullMQ on Redis), reports how {@link workOnStudies} trains
 * them in other processes, and collects the results at the end. Called again for the same study, it watches again and
 * adds no cell twice; cells that have failed are tried again, except those whose directory cannot be read: they are
 * reported. Requires the packages `bullmq` and `ioredis`.
 *
 * @returns the results, including cells that failed.
 * @throws `DEPENDENCY_MISSING`; `QUEUE_UNREACHABLE`; `ABORTED` after `signal` was aborted; and what {@link planStudy}
 * throws.
 *
 * @example
 * ```ts
 * const study = { kind: "seeds", teacher: { name: "resnet56" }, student: { name: "resnet20" } } as const;
 * for await (const event of queueStudy(study, { directory: "runs/seeds", queue: "redis://127.0.0.1:6379" })) {
 *   if (event.type === "study-progress") console.log(`${event.done} of ${event.cells}`);
 * }
 * ```
 */
export async function* queueStudy(input: StudyConfigInput | Settings,
  options: QueueStudyOptions): AsyncGenerator<StudyEvent, StudyResult, void> {
  assertObject(options, "study options");
  const { signal, ...rest } = options;
  const { directory, queue } = parse(Options, rest, "study options", "INVALID_ARGUMENT", ["signal"]);
  throwIfAborted(signal, "the study");
  await using connection = await QueueConnection.open(queue, PATIENCE_MS);
  // The workers have other working directories.
  using study = await Study.plan(input, resolve(directory), { updates: true });
  const states = await statesOf(study);
  yield startEvent(study, states);
  const watch = new Watch(study, connection, states, await study.trainSamples());
  yield* watch.untilDone(signal);
  return yield* collect(study, states);
}

type Progress = Extract<StudyEvent, { type: "study-progress" }>;

/** The cells of a study in a queue, as far as they are known. */
class Watch {
  readonly #clock: EtaEstimator;
  readonly #started = new Set<Cell>();
  #reported = "";
  #workersAt = performance.now();
  #saidNoWorker = false;

  constructor(private readonly study: Study, private readonly connection: QueueConnection,
    private readonly states: Map<Cell, CellState>, trainSamples: number) {
    this.#clock = new EtaEstimator(study.cells, trainSamples);
    for (const cell of study.cells) this.#finish(cell);
  }

  async *untilDone(signal: AbortSignal | undefined): AsyncGenerator<StudyEvent, void, void> {
    for (const cell of this.study.cells) yield* this.#unreadable(cell);
    await this.#addAgain();
    for (;;) {
      const jobs = await jobsOf(this.connection, this.study.directory.path);
      const missing: Cell[] = [];
      const running = new Map<Cell, JobProgress>();
      for (const [index, cell] of this.study.cells.entries()) {
        if (this.#isOver(cell)) continue;
        const queued = jobs.get(index);
        if (queued === undefined) {
          yield* this.#withoutJob(cell, missing);
        } else if (hasFailed(queued.job)) {
          yield this.#failed(cell, queued.job);
        } else if (queued.isActive) {
          const progress = JobProgress.safeParse(queued.job.progress).data;
          if (progress !== undefined) running.set(cell, progress);
        }
      }
      for (const cell of running.keys()) yield* this.#start(cell);
      if (missing.length > 0) await addCells(this.connection, this.study, missing);
      yield* this.#progress(running);
      if (this.study.cells.every((cell) => this.#isOver(cell))) return;
      await sleep(LOOK_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
      if (signal?.aborted === true) throw await this.#stopped();
      yield* this.#noWorker();
    }
  }

  async #stopped(): Promise<ReviewKdError> {
    const workers = await Promise.race([this.#workers(), sleep(LAST_LOOK_MS, undefined, { ref: false })]);
    const what = workers === undefined ? "its cells stay in the queue"
      : workers === 0 ? "its cells stay in the queue, which has no worker" : "its workers continue";
    return new ReviewKdError("ABORTED",
      `the study at ${this.study.directory.path} is no longer watched; ${what}. Run the same study to watch it again and to collect its results (on the command line: the same command).`);
  }

  /** A queue without workers, reported once each time that it has none. */
  async *#noWorker(): AsyncGenerator<StudyEvent, void, void> {
    if (performance.now() - this.#workersAt < WORKERS_MS) return;
    this.#workersAt = performance.now();
    const isWithout = await this.#workers() === 0;
    if (isWithout && !this.#saidNoWorker) {
      yield { type: "study-notice",
        message: `the queue has no worker yet: start \`reviewkd work ${withoutPassword(this.connection.url)}\`, here or on other machines.` };
    }
    this.#saidNoWorker = isWithout;
  }

  /** The number of workers; `undefined` if Redis does not say. */
  async #workers(): Promise<number | undefined> {
    // A Redis of a provider may not list its clients; one that does not answer is found by the next look.
    return this.connection.call(this.connection.queue.getWorkersCount()).catch(() => undefined);
  }

  /** A cell that was failed before any worker had it: its directory must be removed first. */
  *#unreadable(cell: Cell): Generator<StudyEvent, void, void> {
    const state = this.states.get(cell);
    if (state?.is === "failed") yield this.#failure(cell, state.error);
  }

  /** Cells that have failed are tried again by the same command, as in a study of one process. */
  async #addAgain(): Promise<void> {
    const jobs = await jobsOf(this.connection, this.study.directory.path);
    for (const { job } of jobs.values()) {
      // Another process that watches the same study may have added it again, and a worker may have it.
      if (hasFailed(job)) await this.connection.call(job.remove()).catch(unlessUnreachable);
    }
    await addCells(this.connection, this.study, this.study.cells.filter((cell) => !this.#isOver(cell)));
  }

  /** A cell that has left the queue: it is done, or Redis has lost its data. */
  async *#withoutJob(cell: Cell, missing: Cell[]): AsyncGenerator<StudyEvent, void, void> {
    const state = await this.study.inspect(cell);
    if (state.is !== "done" && state.is !== "failed") {
      missing.push(cell);
      return;
    }
    this.states.set(cell, state);
    this.#finish(cell);
    const { label, seed } = cell;
    const result = cellResult(cell, state);
    yield* this.#start(cell);
    if (state.is === "failed") {
      yield this.#failure(cell, state.error);
      return;
    }
    const taskInfo = cell.id === TEACHER ? networkInfo(this.study.config.teacher.name, "teacher").task
      : this.study.taskInfo;
    yield { type: "cell-end", ...this.#place(cell), label, seed, skipped: false, taskInfo, result };
  }

  #failed(cell: Cell, job: CellJob): StudyEvent {
    const error = failureOf(job);
    this.states.set(cell, { is: "failed", error });
    this.#finish(cell);
    return this.#failure(cell, error);
  }

  #failure(cell: Cell, { code, message }: ReviewKdError): StudyEvent {
    return { type: "cell-failed", ...this.#place(cell), label: cell.label, seed: cell.seed, code, message };
  }

  *#start(cell: Cell): Generator<StudyEvent, void, void> {
    if (this.#started.has(cell)) return;
    this.#started.add(cell);
    const resumed = this.states.get(cell)?.is === "begun";
    yield { type: "cell-start", ...this.#place(cell), label: cell.label, seed: cell.seed, resumed };
  }

  *#progress(running: ReadonlyMap<Cell, JobProgress>): Generator<StudyEvent, void, void> {
    const states = [...this.states.values()];
    const done = states.filter(({ is }) => is === "done").length;
    const failed = states.filter(({ is }) => is === "failed").length;
    const cells = this.study.cells.length;
    const event: Progress = {
      type: "study-progress",
      cells,
      done,
      failed,
      waiting: cells - done - failed - running.size,
      running: [...running].map(([cell, { worker, epoch, epochs, step, steps }]) => {
        const { index } = this.#place(cell);
        return { cell: cell.id, index, worker, epoch, epochs, step, steps };
      }),
      etaSeconds: this.#clock.together(running),
    };
    // The estimate alone is no news.
    const text = JSON.stringify({ ...event, etaSeconds: null });
    if (text === this.#reported) return;
    this.#reported = text;
    yield event;
  }

  #isOver(cell: Cell): boolean {
    const is = this.states.get(cell)?.is;
    return is === "done" || is === "failed";
  }

  #finish(cell: Cell): void {
    const state = this.states.get(cell);
    if (state?.is === "done") this.#clock.finished(cell, state.seconds);
    if (state?.is === "failed") this.#clock.finished(cell, null);
  }

  #place(cell: Cell): { readonly cell: string; readonly index: number; readonly cells: number } {
    const { cells } = this.study;
    return { cell: cell.id, index: cells.indexOf(cell), cells: cells.length };
  }
}
