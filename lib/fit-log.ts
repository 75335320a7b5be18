import { configChanges, configHash, refuseChanges } from "./config-changes.js";
import { jsonOrNothing } from "./directory-files.js";
import { isReviewKdError, messageOf, ReviewKdError } from "./errors.js";
import type { FitPlan } from "./fit-options.js";
import { FitSaver, isBest, METADATA, type Standing } from "./fit-saver.js";
import { readWeightsInfo } from "./model.js";
import { newestCheckpoint, putAside } from "./run-checkpoints.js";
import { createRunDirectory, OTHER_CONFIG_REMEDY, resumeRunDirectory, type RunDirectory } from "./run-directory.js";
import type { Change, EpochSummary, Evaluation, FitEvent, SavedKind } from "./schemas/events.js";
import { FitProgress, Origin, type FitResult } from "./schemas/run-record.js";
import type { TaskInfo } from "./schemas/task.js";
import { ORIGIN_KEY, type Session } from "./session.js";
import { bestEpoch, isBetter, namedValue, primaryMetric } from "./task.js";

const NOTHING_DONE: FitProgress = { epochsDone: 0, trained: null, last: null, best: null, elapsedSeconds: 0 };

/** A finished epoch, before it is known whether it is the best. */
interface FinishedEpoch {
  readonly epoch: number;
  readonly epochs: number;
  readonly train: EpochSummary;
  readonly test: Evaluation;
  readonly etaSeconds: number;
}

/** How far a training is, and its trace in the run directory, where there is one. */
export class FitLog implements Disposable {
  #progress = NOTHING_DONE;
  #taskInfo: TaskInfo | undefined;
  #stepsDone = 0;
  #saver: FitSaver | undefined;
  #resumed: FitEvent | undefined;
  #due: readonly SavedKind[] = [];
  #fallback: RunDirectory | undefined;
  /** What an earlier process has spent, and when this one began. */
  #earlierSeconds = 0;
  readonly #began = performance.now();
  #savedAt = performance.now();

  private constructor(
    private readonly plan: FitPlan, private readonly directory: RunDirectory | undefined, private readonly changes: readonly Change[],
  ) {}

  /** Makes the run directory, or opens the one to resume. Nothing but the lock is written into it yet. */
  static async open(plan: FitPlan): Promise<FitLog> {
    const { runDirectory, resume, config } = plan;
    if (runDirectory === undefined) return new FitLog(plan, undefined, []);
    if (!resume) return new FitLog(plan, await createRunDirectory(runDirectory, plan), []);
    const { run, changes } = await resumeRunDirectory(runDirectory, config, plan);
    return new FitLog(plan, run, changes);
  }

  get progress(): FitProgress {
    return this.#progress;
  }

  /** Steps done in the epoch after those that are done. */
  get stepsDone(): number {
    return this.#stepsDone;
  }

  /** What there is to tell of a run that goes on. */
  get resumed(): FitEvent | undefined {
    return this.#resumed;
  }

  /** Records the configuration of a new run; brings the session of a resumed one to where its newest whole checkpoint stands. */
  async begin(session: Session): Promise<void> {
    this.#taskInfo = session.task;
    if (this.directory === undefined) return;
    this.#saver = new FitSaver(this.plan, this.directory, session);
    if (!this.plan.resume) {
      await this.directory.writeConfig(this.plan.config);
      return;
    }
    await this.#goOn(this.directory, session);
  }

  async #goOn(directory: RunDirectory, session: Session): Promise<void> {
    const { override, config } = this.plan;
    const found = await newestCheckpoint(directory.path, async (path) => {
      const metadata = await session.loadCheckpoint(path, { otherTeacher: override });
      return { metadata, progress: readProgress(metadata, path), origin: await readOrigin(path) };
    });
    let changes = this.changes;
    if (found !== undefined) {
      const { path, content: { metadata, progress } } = found;
      changes = await this.#changesSince(directory, path, metadata);
      const { epoch, step } = await session.position();
      this.#progress = progress;
      // The session may still stand at the end of the epoch before, where no step of this one was taken.
      this.#stepsDone = epoch === progress.epochsDone ? step : 0;
      this.#earlierSeconds = progress.elapsedSeconds;
      this.#saver?.found(this.#standing());
      await putAside(directory.path, found.damaged);
      this.#due = await this.#missing(directory);
    }
    await directory.keepEpochs(this.#progress.epochsDone);
    if (changes.length > 0) {
      await directory.changeConfig(config, { epoch: this.#progress.epochsDone, step: this.#stepsDone, changes: [...changes] });
    }
    this.#resumed = {
      type: "resumed",
      checkpoint: found?.path ?? null,
      damaged: [...found?.damaged ?? []],
      changes: [...changes],
      environment: found === undefined ? [] : environmentChanges(found.content.origin, await session.origin()),
    };
  }

  /**
   * What differs between the configuration of a checkpoint and that of now. `config.json` was compared before; it may have been
   * edited by hand, or changed by a process that wrote no checkpoint afterwards.
   *
   * @throws `RUN_MISMATCH`
   */
  async #changesSince(directory: RunDirectory, path: string, metadata: Readonly<Record<string, string>>): Promise<readonly Change[]> {
    const { override, config } = this.plan;
    const recorded = metadata[METADATA.configHash];
    if (this.changes.length > 0 || recorded === configHash(config)) return this.changes;
    if ((await directory.formerConfigs()).some((former) => configHash(former) === recorded)) return [];
    const former: unknown = JSON.parse(metadata[METADATA.config] ?? "null");
    if (!override) refuseChanges(former, config, { what: `the checkpoint ${path}`, remedy: OTHER_CONFIG_REMEDY });
    return configChanges(former, config);
  }

  /** What an earlier process could not write, and the checkpoint can make up for. */
  async #missing(directory: RunDirectory): Promise<SavedKind[]> {
    const { epochsDone } = this.#progress;
    if (epochsDone === 0) return [];
    const missing: SavedKind[] = [];
    const student = await metadataOf(directory.file("student"));
    if (student["epoch"] !== String(epochsDone - 1)) missing.push("student");
    if (isBest(this.#standing())) {
      const recorded = FitProgress.safeParse(jsonOrNothing((await metadataOf(directory.file("best")))[METADATA.progress] ?? ""));
      if (recorded.data?.epochsDone !== epochsDone) missing.push("best");
    }
    return missing;
  }

  /** Writes it. */
  async *makeUp(): AsyncGenerator<FitEvent, void, void> {
    if (this.#saver !== undefined && this.#due.length > 0) yield* this.#saver.save(this.#due, this.#standing());
  }

  /** All steps of an epoch are done, but not its evaluation, which may take long: saves it where the last checkpoint is some time ago. */
  async *trained(summary: EpochSummary): AsyncGenerator<FitEvent, void, void> {
    this.#progress = { ...this.#progress, trained: summary, elapsedSeconds: this.#elapsed() };
    this.#stepsDone = summary.step;
    if (this.#saver === undefined || !this.#isDue()) return;
    yield* this.#saver.save(["last"], this.#standing());
    this.#savedAt = performance.now();
  }

  /** An epoch runs, and has done so many steps: saves it where the last checkpoint is some time ago. */
  async *running(step: number): AsyncGenerator<FitEvent, void, void> {
    if (this.#saver === undefined || !this.#isDue()) return;
    this.#progress = { ...this.#progress, elapsedSeconds: this.#elapsed() };
    yield* this.#saver.saveWithinEpoch({ progress: this.#progress, stepsDone: step });
    this.#savedAt = performance.now();
  }

  #isDue(): boolean {
    const { checkpointMinutes } = this.plan.training;
    return checkpointMinutes !== null && performance.now() - this.#savedAt >= checkpointMinutes * 60_000;
  }

  /** An epoch was trained and evaluated: records it and saves the state. */
  async *evaluated(finished: FinishedEpoch): AsyncGenerator<FitEvent, void, void> {
    const { epoch, train, test } = finished;
    const { best: before } = this.#progress;
    const metric = primaryMetric(this.#task);
    const value = namedValue(test, metric.name);
    const improves = before === null || isBetter(metric, value, namedValue(before, metric.name));
    const best = improves ? bestEpoch(epoch, metric.name, value) : before;
    this.#progress = { epochsDone: epoch + 1, trained: null, last: test, best, elapsedSeconds: this.#elapsed() };
    this.#stepsDone = 0;
    const { etaSeconds, ...rest } = finished;
    const record = { ...rest, learningRate: train.learningRate, best, isBest: improves };
    const events: FitEvent[] = [];
    if (this.#saver !== undefined) {
      this.directory?.addEpoch({ ...record, elapsedSeconds: this.#progress.elapsedSeconds });
      for await (const event of this.#saver.save(this.#dueAfter(epoch), this.#standing())) events.push(event);
      this.#savedAt = performance.now();
    }
    yield { type: "epoch", ...record, etaSeconds };
    yield* events;
  }

  #dueAfter(epoch: number): SavedKind[] {
    const { checkpointEvery } = this.plan.training;
    const isKept = checkpointEvery !== null && (epoch + 1) % checkpointEvery === 0;
    return ["metrics", "last", "student", ...(isBest(this.#standing()) ? ["best" as const] : []), ...(isKept ? ["epoch" as const] : [])];
  }

  /** Saves the state within an epoch, and says where the training stands. */
  async *interrupted(session: Session): AsyncGenerator<FitEvent, { epoch: number; step: number; checkpoint: string | null }, void> {
    if (this.#progress.trained === null) {
      const { epoch, step } = await session.position();
      this.#stepsDone = epoch === this.#progress.epochsDone ? step : 0;
      this.#progress = { ...this.#progress, elapsedSeconds: this.#elapsed() };
    }
    if (this.#saver !== undefined) {
      yield* this.#saver.save(["last", "student"], this.#standing());
      try {
        yield* this.#settle(this.#saver);
      } catch (error) {
        // Whatever else is missing, the run can go on from what was saved, and will make up for it.
        if (!this.#saver.savedIs(this.#standing())) throw error;
      }
    }
    return { epoch: this.#progress.epochsDone, step: this.#stepsDone, checkpoint: this.#written?.file("last") ?? null };
  }

  /**
   * All epochs are done: makes up for what could not be saved.
   *
   * @throws `SAVE_FAILED`
   */
  async *finish(): AsyncGenerator<FitEvent, void, void> {
    if (this.#saver !== undefined) yield* this.#settle(this.#saver, this.plan.signal);
  }

  async *#settle(saver: FitSaver, signal?: AbortSignal): AsyncGenerator<FitEvent, void, void> {
    try {
      yield* saver.settle(this.#standing(), signal);
    } catch (error) {
      const { fallbackDirectory } = this.plan;
      if (fallbackDirectory === undefined || this.directory === undefined) throw error;
      try {
        this.#fallback = await createRunDirectory(fallbackDirectory, this.plan);
        await this.#fallback.inherit(this.directory);
        yield* saver.moveTo(this.#fallback, this.#standing());
      } catch (cause) {
        throw new ReviewKdError("SAVE_FAILED", `${messageOf(error)} Nor could it be saved in the fallback directory: ${messageOf(cause)}`, { cause });
      }
    }
  }

  /** Where the newest checkpoint was written. */
  get #written(): RunDirectory | undefined {
    return this.#fallback ?? this.directory;
  }

  /** What is returned when all epochs are done. */
  result(): FitResult {
    const { last, best, elapsedSeconds } = this.#progress;
    if (last === null || best === null) throw new ReviewKdError("INTERNAL", "expected an evaluated epoch at the end of a training, got none");
    const { training, data } = this.plan;
    return {
      epochs: training.epochs, last, best, seconds: elapsedSeconds, runDirectory: this.#written?.path ?? null, classNames: [...data.classNames],
    };
  }

  /** Adds to an error what is still good after it. */
  explain(error: unknown): unknown {
    if (!isReviewKdError(error) || error.code !== "NON_FINITE_LOSS") return error;
    const good = this.#saver?.lastSaved() ?? "No checkpoint was written, for there is no run directory.";
    return new ReviewKdError("NON_FINITE_LOSS", `epoch ${this.#progress.epochsDone}: ${error.message} ${good}`, { cause: error });
  }

  /** Lets others write into the run directory. */
  [Symbol.dispose](): void {
    this.directory?.close();
    this.#fallback?.close();
  }

  /** Of the session, which is known once the run began. */
  get #task(): TaskInfo {
    if (this.#taskInfo === undefined) throw new ReviewKdError("INTERNAL", "invalid run: expected begin() before an epoch ends, received none.");
    return this.#taskInfo;
  }

  #standing(): Standing {
    return { progress: this.#progress, stepsDone: this.#stepsDone };
  }

  #elapsed(): number {
    return this.#earlierSeconds + (performance.now() - this.#began) / 1000;
  }
}

/**
 * How far the training of a run directory is, by its newest checkpoint that has a whole header; nothing where there is no checkpoint.
 *
 * @throws `FILE_CORRUPT`: there are some, but none is whole; `FILE_ACCESS`
 */
export async function readFitProgress(runDirectory: string): Promise<FitProgress | undefined> {
  const found = await newestCheckpoint(runDirectory, async (path) => readProgress((await readWeightsInfo(path)).metadata, path));
  return found?.content;
}

/**
 * How far the training of one checkpoint is, without its tensors.
 *
 * @throws `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`
 */
export async function readStanding(path: string): Promise<Standing> {
  const { metadata } = await readWeightsInfo(path);
  const progress = readProgress(metadata, path);
  // The session may still stand at the end of the epoch before.
  const isWithin = Number(metadata["session.epoch"]) === progress.epochsDone;
  return { progress, stepsDone: isWithin ? Number(metadata["session.epoch-step"]) : 0 };
}

function readProgress(metadata: Readonly<Record<string, string>>, path: string): FitProgress {
  try {
    const progress: unknown = JSON.parse(metadata[METADATA.progress] ?? "");
    FitProgress.parse(progress);
    // Not what parse returns: a resumed run writes the task's fields in the order in which they were.
    return progress as FitProgress;
  } catch (cause) {
    throw new ReviewKdError("FILE_CORRUPT", `expected a checkpoint of fit at ${path}, got one without its progress`, { cause });
  }
}

/** Nothing where there is no such file, or none that can be read. */
async function metadataOf(path: string): Promise<Readonly<Record<string, string>>> {
  return readWeightsInfo(path).then(({ metadata }) => metadata, () => ({}));
}

async function readOrigin(path: string): Promise<Origin | undefined> {
  const { metadata } = await readWeightsInfo(path);
  return Origin.safeParse(JSON.parse(metadata[ORIGIN_KEY] ?? "null")).data;
}

/** What the same bits depend on beside the settings. */
function environmentChanges(before: Origin | undefined, now: Origin): Change[] {
  return (["package", "libtorch", "threads", "device"] as const)
    .filter((key) => before?.[key] !== now[key])
    .map((key) => ({ key, was: before?.[key], now: now[key] }));
}
