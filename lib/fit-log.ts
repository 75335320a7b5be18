import { isReviewKdError, ReviewKdError } from "./errors.js";
import type { FitPlan } from "./fit-options.js";
import { CLASS_NAMES_KEY, readWeightsInfo } from "./model.js";
import { createRunDirectory, resumeRunDirectory, type RunDirectory } from "./run-directory.js";
import type { EpochSummary, Evaluation, FitEvent } from "./schemas/events.js";
import { FitProgress, type FitResult } from "./schemas/run-record.js";
import type { Session } from "./session.js";

/** Under this key the metadata of a checkpoint holds a {@link FitProgress}. */
const METADATA_KEY = "fit";

const NOTHING_DONE: FitProgress = { epochsDone: 0, stepsDone: 0, trained: null, last: null, best: null, elapsedSeconds: 0 };

/** A finished epoch, before it is known whether it is the best. */
interface FinishedEpoch {
  readonly epoch: number;
  readonly epochs: number;
  readonly train: EpochSummary;
  readonly test: Evaluation;
  readonly etaSeconds: number;
}

/** How far a training is, and its trace in the run directory, where there is one. */
export class FitLog {
  #progress = NOTHING_DONE;
  /** What an earlier process has spent, and when this one began. */
  #earlierSeconds = 0;
  readonly #began = performance.now();

  private constructor(private readonly plan: FitPlan, private readonly directory: RunDirectory | undefined) {}

  /** Makes the run directory, or opens the one to resume. Nothing is written into it yet. */
  static async open(plan: FitPlan): Promise<FitLog> {
    const { runDirectory, resume, config } = plan;
    if (runDirectory === undefined) return new FitLog(plan, undefined);
    return new FitLog(plan, resume ? await resumeRunDirectory(runDirectory, config) : await createRunDirectory(runDirectory));
  }

  get progress(): FitProgress {
    return this.#progress;
  }

  /** Records the configuration of a new run; brings the session of a resumed one to where its last checkpoint stands. */
  async begin(session: Session): Promise<void> {
    if (this.directory === undefined) return;
    if (!this.plan.resume) {
      await this.directory.writeConfig(this.plan.config);
      return;
    }
    const path = this.directory.file("last");
    const metadata = await session.loadCheckpoint(path);
    this.#progress = readProgress(metadata[METADATA_KEY], path);
    this.#earlierSeconds = this.#progress.elapsedSeconds;
    await this.directory.keepEpochs(this.#progress.epochsDone);
  }

  /** All steps of an epoch are done. */
  trained(summary: EpochSummary): void {
    this.#progress = { ...this.#progress, stepsDone: summary.step, trained: summary, elapsedSeconds: this.#elapsed() };
  }

  /** An epoch was trained and evaluated: records it and saves the state. */
  async *evaluated(finished: FinishedEpoch, session: Session): AsyncGenerator<FitEvent, void, void> {
    const { epoch, train, test } = finished;
    const { best: before } = this.#progress;
    const isBest = before === null || test.top1 > before.top1;
    const best = isBest ? { epoch, top1: test.top1 } : before;
    this.#progress = { epochsDone: epoch + 1, stepsDone: 0, trained: null, last: test, best, elapsedSeconds: this.#elapsed() };
    const { etaSeconds, ...rest } = finished;
    const record = { ...rest, learningRate: train.learningRate, best, isBest };
    // The line comes first: one without its checkpoint is cut on resume, a checkpoint without its line would leave a gap.
    await this.directory?.appendEpoch({ ...record, elapsedSeconds: this.#progress.elapsedSeconds });
    const saved = await this.#save(session, isBest);
    yield { type: "epoch", ...record, etaSeconds };
    for (const kind of saved) yield { type: "checkpoint", kind, path: this.directory?.file(kind) ?? "", epoch };
  }

  /** Saves the state within an epoch, and says where the training stands. */
  async interrupted(session: Session): Promise<{ epoch: number; step: number; checkpoint: string | null }> {
    if (this.#progress.trained === null) {
      const { epoch, step } = await session.position();
      // The session may still stand at the end of the epoch before, where no step of this one was taken.
      const stepsDone = epoch === this.#progress.epochsDone ? step : 0;
      this.#progress = { ...this.#progress, stepsDone, elapsedSeconds: this.#elapsed() };
    }
    await this.#save(session, false);
    const { epochsDone: epoch, stepsDone: step } = this.#progress;
    return { epoch, step, checkpoint: this.directory?.file("last") ?? null };
  }

  async #save(session: Session, isBest: boolean): Promise<("last" | "best" | "student")[]> {
    if (this.directory === undefined) return [];
    const metadata = { [METADATA_KEY]: JSON.stringify(this.#progress), [CLASS_NAMES_KEY]: JSON.stringify(this.plan.data.classNames) };
    // `last` decides where a resumed run begins, so it is written when all else is in place.
    if (isBest) await session.saveCheckpoint(this.directory.file("best"), metadata);
    await session.model.save(this.directory.file("student"), { metadata: this.#studentMetadata() });
    await session.saveCheckpoint(this.directory.file("last"), metadata);
    return isBest ? ["last", "best", "student"] : ["last", "student"];
  }

  #studentMetadata(): Record<string, string> {
    const { data } = this.plan;
    const { last, epochsDone, stepsDone } = this.#progress;
    return {
      dataset: data.kind,
      [CLASS_NAMES_KEY]: JSON.stringify(data.classNames),
      normalization: JSON.stringify(data.normalization),
      // Within an epoch no accuracy belongs to these weights.
      ...(last === null || stepsDone > 0 ? {} : { top1: String(last.top1) }),
      ...(epochsDone === 0 ? {} : { epoch: String(epochsDone - 1) }),
      ...(stepsDone === 0 ? {} : { stepsOfNextEpoch: String(stepsDone) }),
    };
  }

  /** What is returned when all epochs are done. */
  result(): FitResult {
    const { last, best, elapsedSeconds } = this.#progress;
    if (last === null || best === null) throw new ReviewKdError("INTERNAL", "expected an evaluated epoch at the end of a training, got none");
    const { training, data } = this.plan;
    return {
      epochs: training.epochs, last, best, seconds: elapsedSeconds, runDirectory: this.directory?.path ?? null, classNames: [...data.classNames],
    };
  }

  /** Adds to an error what is still good after it. */
  explain(error: unknown): unknown {
    if (!isReviewKdError(error) || error.code !== "NON_FINITE_LOSS") return error;
    const good = this.directory !== undefined && this.#progress.epochsDone > 0
      ? `The last good checkpoint is ${this.directory.file("last")}, after epoch ${this.#progress.epochsDone - 1}.`
      : "No checkpoint had been written.";
    return new ReviewKdError("NON_FINITE_LOSS", `epoch ${this.#progress.epochsDone}: ${error.message} ${good}`, { cause: error });
  }

  #elapsed(): number {
    return this.#earlierSeconds + (performance.now() - this.#began) / 1000;
  }
}

/**
 * How far the training of a checkpoint is, without its tensors.
 *
 * @throws `FILE_NOT_FOUND`, `FILE_CORRUPT`
 */
export async function readFitProgress(path: string): Promise<FitProgress> {
  const { metadata } = await readWeightsInfo(path);
  return readProgress(metadata[METADATA_KEY], path);
}

function readProgress(text: string | undefined, path: string): FitProgress {
  try {
    return FitProgress.parse(JSON.parse(text ?? ""));
  } catch (cause) {
    throw new ReviewKdError("FILE_CORRUPT", `expected a checkpoint of fit at ${path}, got one without its progress`, { cause });
  }
}
