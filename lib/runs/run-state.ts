import { z } from "zod";
import { configChanges, configHash, assertSameConfig } from "./config-changes.js";
import { readText, tryParseJson } from "./directory-files.js";
import { ClaimLost } from "../api/abort.js";
import { asSentence, isReviewKdError, messageOf, ReviewKdError } from "../errors.js";
import type { FinishedEpoch, InterruptedAt, TeacherEvent, TrainingRecorder } from "../fit/fit-loop.js";
import type { FitPlan } from "../fit/plan.js";
import { trainingLength } from "../fit/training-length.js";
import { CheckpointWriter, isBest, type RunPosition } from "./checkpoint-writer.js";
import { readWeightsInfo, TRAINING_METADATA } from "../api/model.js";
import { parseResults } from "./results-json.js";
import { newestCheckpoint, renameDamaged } from "./run-checkpoints.js";
import { runFile, createRunDirectory, openRunDirectory, OTHER_CONFIG_REMEDY, resumeRunDirectory, RUN_FILES,
  type FoundRun, type RunDirectory } from "./run-directory.js";
import type { EpochSummary } from "../config/schemas/epoch.js";
import type { Change, FitEvent, SavedKind } from "../config/schemas/fit-event.js";
import { FitProgress, Origin, type FitResult } from "../config/schemas/run-record.js";
import type { TaskInfo } from "../config/schemas/task.js";
import { TrainingOptions } from "../config/schemas/training.js";
import { ORIGIN_KEY, type AnySession } from "../api/session.js";
import { bestEpoch, isBetter, namedValue, primaryMetric } from "../api/task.js";

/** When a recorded training was to end. */
const RecordedEnd = z.object({ training: z.object(
  TrainingOptions.pick({ epochs: true, maxSteps: true, batchSize: true, accumulateBatches: true }).shape,
) });

const NOTHING_DONE: FitProgress = { epochsDone: 0, trained: null, last: null, best: null, elapsedSeconds: 0 };

/** Loads a checkpoint; if others are allowed, also with a teacher that is not the one of the checkpoint. */
async function loadCheckpoint(session: AnySession, path: string,
  mayDiffer: boolean): Promise<{ metadata: Record<string, string>; hasOtherTeacher: boolean }> {
  try {
    return { metadata: await session.loadCheckpoint(path), hasOtherTeacher: false };
  } catch (error) {
    if (!mayDiffer || !isReviewKdError(error) || error.code !== "STATE_DICT_MISMATCH") throw error;
    return { metadata: await session.loadCheckpoint(path, { otherTeacher: true }), hasOtherTeacher: true };
  }
}

/** Where a training stands, as several processes exchange it. */
export interface BegunTraining {
  /** {@link FitProgress} as JSON. */
  readonly progress: string;
  readonly stepsDone: number;
  readonly resumed: FitEvent | null;
  readonly isTeacherEvaluated: boolean;
}

/** The progress of a training, and its files in the run directory, if there is one. */
export class RunState implements TrainingRecorder, Disposable {
  progress = NOTHING_DONE;
  stepsDone = 0;
  resumed: FitEvent | undefined;
  isTeacherEvaluated = false;
  #taskInfo: TaskInfo | undefined;
  #saver: CheckpointWriter | undefined;
  #due: readonly SavedKind[] = [];
  #fallback: RunDirectory | undefined;
  /** Time spent by earlier processes, and the start of this one. */
  #earlierSeconds = 0;
  readonly #began = performance.now();
  #savedAt = performance.now();

  private constructor(private readonly plan: FitPlan, private readonly directory?: RunDirectory,
    private readonly found?: FoundRun) {}

  /** Creates the run directory, or opens the one to resume. Writes only the lock file. */
  static async open(plan: FitPlan): Promise<RunState> {
    const { runDirectory, resume, config } = plan;
    if (runDirectory === undefined) return new RunState(plan);
    if (resume !== true && resume !== "auto") return new RunState(plan, await createRunDirectory(runDirectory, plan));
    const open = resume === true ? resumeRunDirectory : openRunDirectory;
    const { run, found } = await open(runDirectory, config, plan);
    return new RunState(plan, run, found);
  }

  /** The training as another process records it, which writes the files. */
  static follow(plan: FitPlan): RunState {
    return new RunState(plan);
  }

  /** Where the training stands, for the processes that follow this one. */
  get begun(): BegunTraining {
    return { progress: JSON.stringify(this.progress), stepsDone: this.stepsDone, resumed: this.resumed ?? null,
      isTeacherEvaluated: this.isTeacherEvaluated };
  }

  /** Continues where the process that records the training stands. */
  adopt(begun: BegunTraining): void {
    this.progress = parseResults(begun.progress) as FitProgress;
    this.#earlierSeconds = this.progress.elapsedSeconds;
    this.stepsDone = begun.stepsDone;
    this.resumed = begun.resumed ?? undefined;
    this.isTeacherEvaluated = begun.isTeacherEvaluated;
  }

  /** Records the configuration of a new run, or restores the session from the newest valid checkpoint. */
  async begin(session: AnySession): Promise<void> {
    this.#taskInfo = session.task;
    if (this.directory === undefined) return;
    this.#saver = new CheckpointWriter(this.plan, this.directory, session);
    if (this.found === undefined) await this.directory.writeConfig(this.plan.config);
    else await this.#resumeFrom(this.directory, session, this.found);
  }

  async #resumeFrom(directory: RunDirectory, session: AnySession, run: FoundRun): Promise<void> {
    const { override, config } = this.plan;
    const found = await newestCheckpoint(directory.path, async (path) => {
      const { metadata, hasOtherTeacher } = await loadCheckpoint(session, path, override === true);
      return { metadata, hasOtherTeacher, progress: readProgress(metadata, path), origin: await readOrigin(path) };
    });
    let { changes } = run;
    if (found !== undefined) {
      const { path, content: { metadata, progress } } = found;
      changes = await this.#changesSince(directory, run, path, metadata);
      if (found.content.hasOtherTeacher)
        changes = [...changes, { key: "teacher weights", was: "those that the run began with", now: "others" }];
      const { epoch, step } = await session.position();
      this.progress = progress;
      // The session may still be at the end of the previous epoch if no step of this one was taken.
      this.stepsDone = epoch === progress.epochsDone ? step : 0;
      this.#assertWholeEpochs(path, metadata);
      this.#earlierSeconds = progress.elapsedSeconds;
      this.#saver?.markSaved(this.#position());
      await renameDamaged(directory.path, found.damaged);
      this.#due = await this.#missing(directory);
    }
    directory.teacher = await readText(directory.file("teacher"));
    this.isTeacherEvaluated = directory.teacher !== undefined;
    await directory.keepEpochs(this.progress.epochsDone);
    if (changes.length > 0) {
      await directory.changeConfig(config, { epoch: this.progress.epochsDone, step: this.stepsDone,
        changes: [...changes] });
    }
    this.resumed = {
      type: "resumed",
      checkpoint: found?.path ?? null,
      damaged: [...found?.damaged ?? []],
      changes: [...changes],
      environment: found === undefined ? [] : environmentChanges(found.content.origin, await session.origin()),
    };
  }

  /**
   * An epoch that an earlier `maxSteps` has cut cannot be lengthened: its evaluation, and its place in the schedule,
   * are over. @throws `RUN_MISMATCH`
   */
  #assertWholeEpochs(path: string, metadata: Readonly<Record<string, string>>): void {
    const { epochsDone } = this.progress;
    const { length, data } = this.plan;
    const former = RecordedEnd.safeParse(tryParseJson(metadata[TRAINING_METADATA.config] ?? "null"));
    if (!former.success || epochsDone >= length.epochs) return;
    const { epochs, steps, stepsPerEpoch } = trainingLength(former.data.training, data.train.size);
    if (epochsDone < epochs || steps === epochs * stepsPerEpoch) return;
    throw new ReviewKdError("RUN_MISMATCH",
      `cannot continue the run of ${path}: its epoch ${epochsDone} ended after ${steps - (epochs - 1) * stepsPerEpoch} of ${stepsPerEpoch} steps, by its maxSteps of ${steps}. Start a new run from its weights, ${RUN_FILES.student}.`);
  }

  /**
   * Compares the configuration of a checkpoint with the current one. `config.json` was compared before, but it may have
   * been edited by hand, or changed by a process that wrote no checkpoint afterwards. @throws `RUN_MISMATCH`
   */
  async #changesSince(directory: RunDirectory, { changes }: FoundRun, path: string,
    metadata: Readonly<Record<string, string>>): Promise<readonly Change[]> {
    const { override, config } = this.plan;
    const recorded = metadata[TRAINING_METADATA.configHash];
    if (changes.length > 0 || recorded === configHash(config)) return changes;
    if ((await directory.formerConfigs()).some((former) => configHash(former) === recorded)) return [];
    const former: unknown = JSON.parse(metadata[TRAINING_METADATA.config] ?? "null");
    if (override !== true)
      assertSameConfig(former, config, { what: `the checkpoint ${path}`, remedy: OTHER_CONFIG_REMEDY });
    return configChanges(former, config);
  }

  /** Files that an earlier process could not write and that can be restored from the checkpoint. */
  async #missing(directory: RunDirectory): Promise<SavedKind[]> {
    const { epochsDone } = this.progress;
    if (epochsDone === 0) return [];
    const missing: SavedKind[] = [];
    if ((await metadataOf(directory.file("student")))["epoch"] !== String(epochsDone - 1)) missing.push("student");
    if (isBest(this.#position())) {
      const recorded = (await metadataOf(directory.file("best")))[TRAINING_METADATA.progress] ?? "";
      if (FitProgress.safeParse(parseResults(recorded)).data?.epochsDone !== epochsDone) missing.push("best");
    }
    return missing;
  }

  async *writePending(): AsyncGenerator<FitEvent, void, void> {
    if (this.#saver !== undefined && this.#due.length > 0) yield* this.#saver.save(this.#due, this.#position());
  }

  async *teacherEvaluated(event: TeacherEvent): AsyncGenerator<FitEvent, void, void> {
    const { name, taskInfo, test, reason } = event;
    yield event;
    if (this.directory === undefined || this.#saver === undefined) return;
    this.directory.teacher = `${JSON.stringify({ name, taskInfo, test, reason }, null, 2)}\n`;
    yield* this.#saver.save(["teacher"], this.#position());
  }

  /** Records an epoch before its evaluation, which may take long; saves if `checkpointMinutes` have passed. */
  async *trained(summary: EpochSummary): AsyncGenerator<FitEvent, void, void> {
    this.progress = { ...this.progress, trained: summary, elapsedSeconds: this.#elapsed() };
    this.stepsDone = summary.step;
    if (this.#saver === undefined || !this.#isDue()) return;
    yield* this.#saver.save(["last"], this.#position());
    this.#savedAt = performance.now();
  }

  async *running(step: number): AsyncGenerator<FitEvent, void, void> {
    if (this.#saver === undefined || !this.#isDue()) return;
    this.progress = { ...this.progress, elapsedSeconds: this.#elapsed() };
    yield* this.#saver.saveWithinEpoch({ progress: this.progress, stepsDone: step });
    this.#savedAt = performance.now();
  }

  #isDue(): boolean {
    const { checkpointMinutes } = this.plan.training;
    return checkpointMinutes !== null && performance.now() - this.#savedAt >= checkpointMinutes * 60_000;
  }

  async *evaluated(finished: FinishedEpoch): AsyncGenerator<FitEvent, void, void> {
    const { epoch, train, test } = finished;
    const { best: before } = this.progress;
    const metric = primaryMetric(this.#task);
    const value = namedValue(test, metric.name);
    const improves = before === null || isBetter(metric, value, namedValue(before, metric.name));
    const best = improves ? bestEpoch(epoch, metric.name, value) : before;
    this.progress = { epochsDone: epoch + 1, trained: null, last: test, best, elapsedSeconds: this.#elapsed() };
    this.stepsDone = 0;
    const { etaSeconds, ...rest } = finished;
    const record = { ...rest, learningRate: train.learningRate, best, isBest: improves };
    const events: FitEvent[] = [];
    if (this.#saver !== undefined) {
      this.directory?.addEpoch({ ...record, elapsedSeconds: this.progress.elapsedSeconds });
      for await (const event of this.#saver.save(this.#dueAfter(epoch), this.#position())) events.push(event);
      this.#savedAt = performance.now();
    }
    yield { type: "epoch", ...record, etaSeconds };
    yield* events;
  }

  #dueAfter(epoch: number): SavedKind[] {
    const { checkpointEvery } = this.plan.training;
    const isKept = checkpointEvery !== null && (epoch + 1) % checkpointEvery === 0;
    return ["metrics", "last", "student", ...(isBest(this.#position()) ? ["best" as const] : []),
      ...(isKept ? ["epoch" as const] : [])];
  }

  async *interrupted(session: AnySession): AsyncGenerator<FitEvent, InterruptedAt, void> {
    if (this.progress.trained === null) {
      const { epoch, step } = await session.position();
      this.stepsDone = epoch === this.progress.epochsDone ? step : 0;
      this.progress = { ...this.progress, elapsedSeconds: this.#elapsed() };
    }
    // The work of another process is not replaced by what this one has.
    const isTakenOver = this.plan.signal?.reason instanceof ClaimLost && this.directory?.isHeld() === false;
    if (this.#saver !== undefined && !isTakenOver) {
      yield* this.#saver.save(["last", "student"], this.#position());
      try {
        yield* this.#retryPending(this.#saver);
      } catch (error) {
        // The run can resume from the saved checkpoint, and will write the other missing files then.
        if (!this.#saver.savedIs(this.#position())) throw error;
      }
    }
    return { epoch: this.progress.epochsDone, step: this.stepsDone,
      checkpoint: this.#written?.file("last") ?? this.#pathOfFirst("last") };
  }

  async *finish(): AsyncGenerator<FitEvent, void, void> {
    if (this.#saver !== undefined) yield* this.#retryPending(this.#saver, this.plan.signal);
  }

  async *#retryPending(saver: CheckpointWriter, signal?: AbortSignal): AsyncGenerator<FitEvent, void, void> {
    try {
      yield* saver.retryPending(this.#position(), signal);
    } catch (error) {
      const { fallbackDirectory } = this.plan;
      if (fallbackDirectory === undefined || this.directory === undefined) throw error;
      try {
        this.#fallback = await createRunDirectory(fallbackDirectory, this.plan);
        await this.#fallback.inherit(this.directory);
        yield* saver.moveTo(this.#fallback, this.#position());
      } catch (cause) {
        throw new ReviewKdError("SAVE_FAILED",
          `${messageOf(error)} Saving to the fallback directory failed, too: ${messageOf(cause)}`, { cause });
      }
    }
  }

  /** The directory of the newest checkpoint. */
  get #written(): RunDirectory | undefined {
    return this.#fallback ?? this.directory;
  }

  result(): FitResult {
    const { last, best, elapsedSeconds } = this.progress;
    if (last === null || best === null)
      throw new ReviewKdError("INTERNAL", "missing evaluated epoch at the end of a training.");
    const { length, data } = this.plan;
    return { epochs: length.epochs, last, best, seconds: elapsedSeconds,
      runDirectory: this.#written?.path ?? this.plan.runDirectory ?? null, classNames: [...data.classNames] };
  }

  explain(error: unknown): unknown {
    if (!isReviewKdError(error) || (error.code !== "NON_FINITE_LOSS" && error.code !== "PROCESS_LOST")) return error;
    return new ReviewKdError(error.code,
      `epoch ${this.progress.epochsDone + 1}: ${asSentence(error.message)} ${this.#lastSaved()}`, { cause: error });
  }

  #lastSaved(): string {
    if (this.#saver !== undefined) return this.#saver.lastSaved();
    const path = this.#pathOfFirst("last");
    if (path === null) return "No checkpoint was written because there is no run directory.";
    const { epochsDone } = this.progress;
    return epochsDone === 0 ? `Before the end of the first epoch, a checkpoint may be in ${path}.`
      : `The last good checkpoint is ${path}, after epoch ${epochsDone} or later.`;
  }

  /** A file that the first of several processes writes. */
  #pathOfFirst(name: keyof typeof RUN_FILES): string | null {
    const { runDirectory } = this.plan;
    return runDirectory === undefined ? null : runFile(runDirectory, name);
  }

  [Symbol.dispose](): void {
    this.directory?.close();
    this.#fallback?.close();
  }

  /** Of the session, which is known once the run began. */
  get #task(): TaskInfo {
    if (this.#taskInfo === undefined)
      throw new ReviewKdError("INTERNAL", "invalid run: expected begin() before an epoch ends, received none.");
    return this.#taskInfo;
  }

  #position(): RunPosition {
    return { progress: this.progress, stepsDone: this.stepsDone };
  }

  #elapsed(): number {
    return this.#earlierSeconds + (performance.now() - this.#began) / 1000;
  }
}

/** The progress in a run directory, from its newest checkpoint with a valid header. @throws `FILE_CORRUPT` */
export async function readFitProgress(runDirectory: string): Promise<FitProgress | undefined> {
  const found = await newestCheckpoint(runDirectory,
    async (path) => readProgress((await readWeightsInfo(path)).metadata, path));
  return found?.content;
}

/** The position of a checkpoint, by its header. @throws `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT` */
export async function readRunPosition(path: string): Promise<RunPosition> {
  const { metadata } = await readWeightsInfo(path);
  const progress = readProgress(metadata, path);
  // The session may still be at the end of the previous epoch.
  const isWithin = Number(metadata["session.epoch"]) === progress.epochsDone;
  return { progress, stepsDone: isWithin ? Number(metadata["session.epoch-step"]) : 0 };
}

function readProgress(metadata: Readonly<Record<string, string>>, path: string): FitProgress {
  try {
    const progress = parseResults(metadata[TRAINING_METADATA.progress] ?? "");
    FitProgress.parse(progress);
    // Not what parse returns: a resumed run writes the task's fields in the order in which they were.
    return progress as FitProgress;
  } catch (cause) {
    throw new ReviewKdError("FILE_CORRUPT",
      `invalid checkpoint ${path}: expected one written by fit, received one without its progress.`, { cause });
  }
}

/** The file's metadata; empty if the file is missing or cannot be read. */
async function metadataOf(path: string): Promise<Readonly<Record<string, string>>> {
  return readWeightsInfo(path).then(({ metadata }) => metadata, () => ({}));
}

async function readOrigin(path: string): Promise<Origin | undefined> {
  const { metadata } = await readWeightsInfo(path);
  return Origin.safeParse(JSON.parse(metadata[ORIGIN_KEY] ?? "null")).data;
}

/** Changes of the environment that may change results bitwise. */
function environmentChanges(before: Origin | undefined, now: Origin): Change[] {
  return (["package", "libtorch", "threads", "device", "processes"] as const)
    .filter((key) => before?.[key] !== now[key])
    .map((key) => ({ key, was: before?.[key], now: now[key] }));
}
