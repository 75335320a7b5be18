import { dirname } from "node:path";
import { optionsOf } from "../config/options-of.js";
import { isCommonError } from "../api/process-group.js";
import type { AnySession } from "../api/session.js";
import type { EpochProgress, EpochSummary, Evaluation } from "../config/schemas/epoch.js";
import type { FitEvent, Notice } from "../config/schemas/fit-event.js";
import { termsOf } from "../config/schemas/method.js";
import { EpochOptions } from "../config/schemas/training.js";
import type { FitProgress, FitResult } from "../config/schemas/run-record.js";
import { isReviewKdError, ReviewKdError } from "../errors.js";
import { EtaEstimator } from "./eta-estimator.js";
import { choiceNotices } from "./notices.js";
import type { FitPlan } from "./plan.js";
import { teacherNotices } from "./teacher-notices.js";
import { withReports } from "./with-reports.js";

/** Interval of progress events; enough for a display. */
const PROGRESS_INTERVAL_MS = 100;

function* asEvents(notices: readonly Notice[]): Generator<FitEvent, void, void> {
  for (const { topic, message } of notices) yield { type: "notice", topic, message };
}

/** The preset of the training, which a run has in its configuration. */
function presetOf({ preset, config }: FitPlan): string | undefined {
  const named = preset ?? (config as { readonly preset?: unknown } | null | undefined)?.preset;
  return typeof named === "string" ? named : undefined;
}

export interface TrainingRecorder {
  readonly progress: FitProgress;
  /** Steps done in the epoch after `progress.epochsDone`. */
  readonly stepsDone: number;
  /** The event that describes a resumed run; undefined for a new one. */
  readonly resumed: FitEvent | undefined;
  /** Whether an earlier process evaluated the teacher. */
  readonly isTeacherEvaluated: boolean;
  /** Writes the files that an earlier process could not write. */
  writePending(): AsyncGenerator<FitEvent, void, void>;
  /** The teacher was evaluated, or cannot be. */
  teacherEvaluated(event: TeacherEvent): AsyncGenerator<FitEvent, void, void>;
  /** `step` steps of the running epoch are done. */
  running(step: number): AsyncGenerator<FitEvent, void, void>;
  /** All steps of an epoch are done; its evaluation is still to come. */
  trained(summary: EpochSummary): AsyncGenerator<FitEvent, void, void>;
  /** An epoch was trained and evaluated. */
  evaluated(finished: FinishedEpoch): AsyncGenerator<FitEvent, void, void>;
  /** The training was aborted: saves the state within the epoch and returns the position. */
  interrupted(session: AnySession): AsyncGenerator<FitEvent, InterruptedAt, void>;
  /** All epochs are done: retries what could not be saved. @throws `SAVE_FAILED` */
  finish(): AsyncGenerator<FitEvent, void, void>;
  result(): FitResult;
  /** Adds the newest good checkpoint to an error. */
  explain(error: unknown): unknown;
}

export type TeacherEvent = Extract<FitEvent, { type: "teacher" }>;

/** Where a training was aborted, and the checkpoint written there. */
export type InterruptedAt = Omit<Extract<FitEvent, { type: "interrupted" }>, "type">;

/** A finished epoch, before it is compared with the best. */
export type FinishedEpoch = Pick<Extract<FitEvent, { type: "epoch" }>,
  "epoch" | "epochs" | "train" | "test" | "etaSeconds">;

/** The training loop: runs epochs and evaluations and yields events. */
export class FitLoop {
  readonly #epochs: number;
  /** Number of broken images that were reported, or found before this training. */
  #brokenReported: number;
  readonly #timeLeft: EtaEstimator;

  constructor(private readonly plan: FitPlan, private readonly session: AnySession,
    private readonly log: TrainingRecorder) {
    const { data, length: { epochs, images } } = plan;
    this.#epochs = epochs;
    this.#brokenReported = data.brokenImages.length;
    this.#timeLeft = new EtaEstimator({ epochs, images, trainSamples: data.train.size, testSamples: data.test.size });
  }

  async *run(): AsyncGenerator<FitEvent, FitResult, void> {
    const { log } = this;
    yield this.#startEvent();
    if (log.resumed !== undefined) yield log.resumed;
    // A run that was resumed as it was has reported them.
    if (log.resumed?.type !== "resumed" || log.resumed.changes.length > 0) yield* asEvents(choiceNotices(this.plan));
    yield* log.writePending();
    try {
      if (!log.isTeacherEvaluated && log.progress.epochsDone < this.#epochs) yield* this.#evaluateTeacher();
      while (log.progress.epochsDone < this.#epochs) {
        const epoch = log.progress.epochsDone;
        const train = log.progress.trained ?? (yield* this.#train(epoch));
        await this.session.checkSame();
        // Of an epoch that an earlier process trained, too.
        this.#timeLeft.trainedAt(train.imagesPerSecond);
        yield* log.trained(train);
        yield* this.#brokenImages(epoch);
        const test = await this.#evaluate();
        yield* this.#brokenImages(epoch);
        yield* log.evaluated({ epoch, epochs: this.#epochs, train, test,
          etaSeconds: this.#timeLeft.from(epoch + 1, 0) });
      }
      yield* log.finish();
    } catch (error) {
      if (this.#wasInterrupted(error)) yield* this.#interrupted(error);
      throw log.explain(error);
    }
    const result = log.result();
    yield { type: "end", ...result };
    return result;
  }

  async *#evaluateTeacher(): AsyncGenerator<FitEvent, void, void> {
    const { distiller, evaluateTeacher, data: { test }, training: { evaluationBatchSize: batchSize }, signal } = this
      .plan;
    if (distiller === undefined || evaluateTeacher !== true || test.size === 0) return;
    const { name, task: taskInfo } = distiller.teacher;
    const reports = withReports<number, Evaluation>(
      (onProgress, stop) => this.session.evaluateTeacher(test, { batchSize, onProgress, signal: stop }),
      { intervalMs: PROGRESS_INTERVAL_MS, signal },
    );
    try {
      for (;;) {
        const next = await reports.next();
        if (next.done === true) {
          yield* this.log.teacherEvaluated({ type: "teacher", name, taskInfo, test: next.value, reason: null });
          yield* asEvents(
            teacherNotices({ name, taskInfo, test: next.value, data: this.plan.data, preset: presetOf(this.plan) }),
          );
          return;
        }
        yield { type: "teacher-progress", samples: next.value, testSamples: test.size };
      }
    } catch (error) {
      if (!isReviewKdError(error) || !["INVALID_ARGUMENT", "SHAPE_MISMATCH"].includes(error.code)) throw error;
      yield* this.log.teacherEvaluated({ type: "teacher", name, taskInfo, test: null, reason: error.message });
    } finally {
      await reports.return(undefined as never);
    }
  }

  async *#train(epoch: number): AsyncGenerator<FitEvent, EpochSummary, void> {
    const { training, length: { stepsPerEpoch, steps: trainingSteps } } = this.plan;
    const options = optionsOf(EpochOptions, { ...training, epoch, epochs: this.#epochs });
    const reports = withReports<EpochProgress, EpochSummary>(
      (onProgress, signal) => this.session.trainEpoch(this.plan.data, { ...options, onProgress, signal }),
      { intervalMs: PROGRESS_INTERVAL_MS, signal: this.plan.signal },
    );
    try {
      for (;;) {
        const next = await reports.next();
        if (next.done === true) return next.value;
        const progress = next.value;
        this.#timeLeft.trainedAt(progress.imagesPerSecond);
        const etaSeconds = this.#timeLeft.from(epoch, progress.images);
        yield* this.#brokenImages(epoch);
        yield { type: "progress", ...progress, epochs: this.#epochs,
          trainingStep: epoch * stepsPerEpoch + progress.step, trainingSteps, etaSeconds };
        yield* this.log.running(progress.step);
      }
    } finally {
      // If the consumer has stopped iterating, this stops the epoch and waits for its last step.
      await reports.return(undefined as never);
    }
  }

  async #evaluate(): Promise<Evaluation> {
    const { data, training, signal } = this.plan;
    const began = performance.now();
    const evaluation = await this.session.evaluate(data.test, { batchSize: training.evaluationBatchSize, signal });
    this.#timeLeft.evaluatedIn((performance.now() - began) / 1000);
    return evaluation;
  }

  /** Reports each broken image as soon as it is known. */
  *#brokenImages(epoch: number): Generator<FitEvent, void, void> {
    const { brokenImages } = this.plan.data;
    for (; this.#brokenReported < brokenImages.length; ++this.#brokenReported) {
      const broken = brokenImages[this.#brokenReported];
      if (broken !== undefined) yield { type: "broken-image", ...broken, epoch };
    }
  }

  #wasInterrupted(error: unknown): boolean {
    if (!isReviewKdError(error) || error.code !== "ABORTED") return false;
    // Of several processes, any may have received the signal; then all stop at this step.
    return this.session.distributed === undefined ? this.plan.signal?.aborted === true : isCommonError(error);
  }

  async *#interrupted(cause: unknown): AsyncGenerator<FitEvent, never, void> {
    await this.session.checkSame();
    const { checkpoint, epoch, step } = yield* this.log.interrupted(this.session);
    yield { type: "interrupted", epoch, step, checkpoint };
    const remedy = checkpoint === null
      ? "Nothing was saved because there is no run directory."
      : `Resume with \`resume: true\` and the same run directory (on the command line --run ${dirname(checkpoint)} --resume).`;
    throw new ReviewKdError("ABORTED", `the training was stopped in epoch ${epoch + 1} after step ${step}. ${remedy}`, {
      cause,
    });
  }

  #startEvent(): FitEvent {
    const { model, distiller, data, length, runDirectory } = this.plan;
    const { stepsDone, progress: { epochsDone } } = this.log;
    const terms = distiller === undefined ? [] : termsOf(distiller.method);
    return {
      type: "start",
      task: distiller === undefined ? "train" : "distill",
      taskInfo: this.session.task,
      epochs: this.#epochs,
      stepsPerEpoch: length.stepsPerEpoch,
      trainSamples: data.train.size,
      testSamples: data.test.size,
      startEpoch: epochsDone,
      startStep: stepsDone,
      device: model.device,
      processes: this.plan.distributed?.size ?? 1,
      parameters: model.parameterCount(),
      trainingOnlyParameters: distiller?.trainingOnlyParameterCount() ?? 0,
      terms: terms.map(({ kind }) => kind),
      matching: terms.some((term) => "studentFeatures" in term) ? distiller?.matching ?? null : null,
      runDirectory: runDirectory ?? null,
    };
  }
}
