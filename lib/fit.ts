import { dirname } from "node:path";
import { throwIfAborted } from "./abort.js";
import { isReviewKdError, ReviewKdError } from "./errors.js";
import { FitLog } from "./fit-log.js";
import { planFit, type FitOptions, type FitPlan } from "./fit-options.js";
import { termsOf } from "./schemas/method.js";
import type { EpochProgress, EpochSummary, Evaluation, FitEvent } from "./schemas/events.js";
import type { FitResult } from "./schemas/run-record.js";
import type { TrainingOptions } from "./schemas/training.js";
import { createSession, type Session } from "./session.js";
import { TimeLeft } from "./time-left.js";
import { withReports } from "./with-reports.js";

/** Between two progress events, for a display needs no more. */
const PROGRESS_INTERVAL_MS = 100;

/**
 * Trains a distiller's student, or a model on labels alone: all epochs, an evaluation after each, checkpoints and
 * metrics in `runDirectory`. Leaving the loop early stops the running epoch; its steps since the last checkpoint are lost.
 *
 * What cannot be written while it trains is told ("checkpoint-failed") and tried again; the training goes on.
 *
 * @throws `ABORTED` after `signal` was heard and the state saved; `NON_FINITE_LOSS` (earlier checkpoints stay); `SAVE_FAILED`: the
 * training was done or stopped, but could not be saved, and the network in memory can be saved elsewhere; `RUN_DIRECTORY`, `RUN_MISMATCH`,
 * `RUN_LOCKED` (somebody else writes to the directory), `FILE_CORRUPT` (no checkpoint to resume from is whole), `INVALID_ARGUMENT`,
 * `UNKNOWN_NAME`, and what `Session.trainEpoch` throws.
 * @see "Distilling Knowledge via Knowledge Review", https://arxiv.org/abs/2104.09044
 *
 * @example
 * ```ts
 * for await (const event of fit({ distiller, data, preset: "cifar100", runDirectory: "runs/r56-r20" })) {
 *   if (event.type === "epoch") console.log(event.epoch, event.train.losses.total, event.test.top1);
 * }
 * ```
 */
export async function* fit(options: FitOptions): AsyncGenerator<FitEvent, FitResult, void> {
  const plan = planFit(options);
  throwIfAborted(plan.signal, "the training");
  using log = await FitLog.open(plan);
  const { optimizer, precision, microBatches, accumulateBatches, clipNorm, threads, reference, device } = plan.training;
  using session = await createSession({
    ...plan.target, optimizer, precision, microBatches, accumulateBatches, clipNorm, threads, reference, device,
  });
  await log.begin(session);
  return yield* new Fit(plan, session, log).run();
}

/** One run of `fit`. */
class Fit {
  readonly #epochs: number;
  /** Broken images that were told of, or met before this training. */
  #brokenTold: number;
  readonly #timeLeft: TimeLeft;

  constructor(private readonly plan: FitPlan, private readonly session: Session, private readonly log: FitLog) {
    const { data, training } = plan;
    this.#epochs = training.epochs;
    this.#brokenTold = data.brokenImages.length;
    this.#timeLeft = new TimeLeft({ epochs: training.epochs, trainSamples: data.train.size, testSamples: data.test.size });
  }

  async *run(): AsyncGenerator<FitEvent, FitResult, void> {
    const { log } = this;
    yield this.#startEvent();
    if (log.resumed !== undefined) yield log.resumed;
    yield* log.makeUp();
    try {
      while (log.progress.epochsDone < this.#epochs) {
        const epoch = log.progress.epochsDone;
        const train = log.progress.trained ?? (yield* this.#train(epoch));
        yield* log.trained(train);
        yield* this.#brokenImages(epoch);
        const test = await this.#evaluate();
        yield* this.#brokenImages(epoch);
        yield* log.evaluated({ epoch, epochs: this.#epochs, train, test, etaSeconds: this.#timeLeft.from(epoch + 1, 0) });
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

  async *#train(epoch: number): AsyncGenerator<FitEvent, EpochSummary, void> {
    const { batchSize, seed, augment, schedule } = this.plan.training;
    const reports = withReports<EpochProgress, EpochSummary>(
      (onProgress, signal) => this.session.trainEpoch(this.plan.data, {
        epoch, epochs: this.#epochs, batchSize, seed, augment, schedule, onProgress, signal,
      }),
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
        yield { type: "progress", ...progress, epochs: this.#epochs, etaSeconds };
        yield* this.log.running(progress.step);
      }
    } finally {
      // Where the consumer has left, this stops the epoch and waits for its last step.
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

  /** Tells of each broken image as soon as it is known. */
  *#brokenImages(epoch: number): Generator<FitEvent, void, void> {
    const { brokenImages } = this.plan.data;
    for (; this.#brokenTold < brokenImages.length; ++this.#brokenTold) {
      const broken = brokenImages[this.#brokenTold];
      if (broken !== undefined) yield { type: "broken-image", ...broken, epoch };
    }
  }

  #wasInterrupted(error: unknown): boolean {
    return this.plan.signal?.aborted === true && isReviewKdError(error) && error.code === "ABORTED";
  }

  async *#interrupted(cause: unknown): AsyncGenerator<FitEvent, never, void> {
    const { checkpoint, epoch, step } = yield* this.log.interrupted(this.session);
    yield { type: "interrupted", epoch, step, checkpoint };
    const remedy = checkpoint === null
      ? "nothing was saved, for there is no run directory"
      : `go on with \`resume: true\` and the same run directory (on the command line --run ${dirname(checkpoint)} --resume)`;
    throw new ReviewKdError("ABORTED", `the training was stopped in epoch ${epoch} after step ${step}: ${remedy}.`, { cause });
  }

  #startEvent(): FitEvent {
    const { model, distiller, data, training, runDirectory } = this.plan;
    const { stepsDone, progress: { epochsDone } } = this.log;
    const terms = distiller === undefined ? [] : termsOf(distiller.method);
    return {
      type: "start",
      task: distiller === undefined ? "train" : "distill",
      taskInfo: this.session.task,
      epochs: this.#epochs,
      stepsPerEpoch: stepsPerEpoch(data.train.size, training),
      trainSamples: data.train.size,
      testSamples: data.test.size,
      startEpoch: epochsDone,
      startStep: stepsDone,
      device: model.device,
      parameters: model.parameterCount(),
      trainingOnlyParameters: distiller?.trainingOnlyParameterCount() ?? 0,
      terms: terms.map(({ kind }) => kind),
      matching: terms.some((term) => "studentFeatures" in term) ? distiller?.matching ?? null : null,
      runDirectory: runDirectory ?? null,
    };
  }
}

/** Optimizer steps. A last batch of a single image is dropped, unless all batches are such: batch normalization needs two. */
function stepsPerEpoch(samples: number, { batchSize, accumulateBatches }: Pick<TrainingOptions, "batchSize" | "accumulateBatches">): number {
  const rest = samples % batchSize;
  const batches = Math.floor(samples / batchSize) + (rest >= Math.min(2, batchSize) ? 1 : 0);
  return Math.ceil(batches / accumulateBatches);
}
