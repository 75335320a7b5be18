import { z } from "zod";
import { withSignal } from "./abort.js";
import type { Batch, Dataset } from "./dataset.js";
import type { Distiller } from "./distiller.js";
import { ReviewKdError } from "./errors.js";
import { evaluateWith, type EvaluateOptions, type Model } from "./model.js";
import { addon, type NativeEpochState, type NativeSession } from "./native.js";
import { Count, PositiveNumber, PositiveCount, Seed } from "./schemas/common.js";
import type { EpochProgress, EpochSummary, Evaluation, StepResult, SystemInfo } from "./schemas/events.js";
import type { Origin } from "./schemas/run-record.js";
import type { TaskInfo } from "./schemas/task.js";
import { Schedule, StepOptions, type StepOptionsInput } from "./schemas/training.js";
import type { DatasetSplit } from "./dataset.js";
import { toStateDict, type StateDict } from "./tensor.js";
import { systemInfo } from "./system.js";
import { parse } from "./validation.js";

/** Under this key the metadata of a checkpoint holds an {@link Origin}, JSON. Native code keeps it from callers of `loadCheckpoint`. */
export const ORIGIN_KEY = "session.origin";

/** How {@link Session.saveCheckpoint} goes about it. */
export interface SaveCheckpointOptions {
  /** The name under which the file stays that the path held so far. */
  readonly keepAs?: string | undefined;
}

const EpochOptions = z.strictObject({
  epoch: Count,
  /** All epochs of the training, for the schedule. */
  epochs: PositiveCount,
  batchSize: PositiveCount.default(128),
  seed: Seed.default(0),
  augment: z.boolean().default(true),
  schedule: Schedule.prefault({ kind: "constant" }),
});

/** What {@link Session.trainEpoch} does. */
export interface TrainEpochOptions extends z.input<typeof EpochOptions> {
  readonly signal?: AbortSignal | undefined;
  /** Told how the epoch stands; several steps may lie between two calls. */
  readonly onProgress?: ((progress: EpochProgress) => void) | undefined;
}

/** Where a session stands. */
export interface SessionPosition {
  /** The epoch that was begun last. */
  readonly epoch: number;
  /** Optimizer steps done in it, and those that it has. */
  readonly step: number;
  readonly steps: number;
  /** Optimizer steps since the training began. */
  readonly totalSteps: number;
}

/**
 * One training: a distiller or a single network with its optimizer, on a native thread of its own. Calls are done one
 * after the other, in the order in which they were made. Made by {@link createSession}.
 */
export class Session {
  readonly #native: NativeSession;
  #system: Promise<SystemInfo> | undefined;

  /** @internal */
  constructor(
    native: NativeSession,
    /** The network that is trained. */
    readonly model: Model,
    /** What it learns from in addition to the labels. */
    readonly distiller: Distiller | undefined,
    /** The options with every default filled in. */
    readonly options: StepOptions,
  ) {
    this.#native = native;
  }

  /** The names of losses and metrics, and the metric that decides which epoch is the best. */
  get task(): TaskInfo {
    return this.#native.task();
  }

  /**
   * Takes one optimizer step. With several batches, the step follows the mean gradient over the images of all of them, as a step of
   * `trainEpoch` with `accumulateBatches` does.
   *
   * @param batch - images `[N, 3, H, W]`, normalized, and labels `[N]`, int64; or several such batches.
   * @throws ReviewKdError `NON_FINITE_LOSS` (names step and term; no parameter was changed), `LABEL_OUT_OF_RANGE`,
   * `SHAPE_MISMATCH`, `DTYPE_MISMATCH`, `DEVICE_MISMATCH` (another session moved a network), `BATCH_TOO_SMALL`, `DISPOSED`.
   * @example
   * ```ts
   * const { losses } = await session.step({ images, labels });
   * ```
   */
  async step(batch: Batch | readonly Batch[]): Promise<StepResult> {
    const batches: readonly Batch[] = "images" in batch ? [batch] : batch;
    return this.#native.step(batches.map(({ images, labels }) => ({ images: images.native, labels: labels.native })));
  }

  /**
   * Runs a whole epoch natively, in random order. If the session stands within this epoch (after an abort, or a
   * checkpoint of one) it runs the rest. A last batch of a single image is dropped. With `accumulateBatches`, each optimizer step averages the
   * gradients of as many batches, the last one of the epoch those of the batches that are left.
   *
   * A data set that an iterable feeds may not wait for this session meanwhile, for its calls are done one after the other.
   *
   * @throws ReviewKdError `ABORTED` after the step during which the signal was given; the epoch can then be continued. Also
   * what {@link Session.step} throws, and what the iterable or the decoder of a streamed data set does.
   */
  async trainEpoch(data: Dataset, options: TrainEpochOptions): Promise<EpochSummary> {
    const { signal, onProgress, ...rest } = options;
    const parsed = parse(EpochOptions, rest, "epoch options");
    const report = onProgress === undefined ? undefined : (state: NativeEpochState): void => { onProgress(toProgress(state)); };
    const { batchSize, seed, epoch, augment } = parsed;
    return data.train.images.pass({ batchSize, seed, epoch, augment, shuffle: true }, (images, cancel) =>
      withSignal({ signal, onProgress: report, onStop: cancel, what: "the epoch" }, (stop, onState) =>
        this.#native.trainEpoch(images, parsed, stop, onState)));
  }

  /** As {@link Model.evaluate}, for the trained network and on this session's thread, after the calls made before. */
  async evaluate(data: DatasetSplit, options: EvaluateOptions = {}): Promise<Evaluation> {
    return evaluateWith(this.#native, data, { precision: this.options.precision, reference: this.options.reference, ...options });
  }

  /** Gradients of the last step, after clipping, by state-dict name. */
  async gradients(): Promise<StateDict> {
    return toStateDict(await this.#native.gradients());
  }

  async position(): Promise<SessionPosition> {
    return this.#native.position();
  }

  /** For loops of one's own: the epoch, counted from 0, that decides the method's warm-up from the next step on. */
  async setEpoch(epoch: number): Promise<void> {
    await this.#native.configure({ epoch: parse(Count, epoch, "epoch") });
  }

  /** For loops of one's own: the learning rate from the next step on. `trainEpoch` sets it by its schedule. */
  async setLearningRate(learningRate: number): Promise<void> {
    await this.#native.configure({ learningRate: parse(PositiveNumber, learningRate, "learningRate") });
  }

  /**
   * Writes everything that is needed to go on: networks, the method's modules, the optimizer, learning rate and position, also
   * within an epoch; a teacher in train mode, too, and of a frozen one a checksum. There is no random state to keep: order and
   * augmentation follow from seed, epoch and position. The file appears whole or not at all, and carries a checksum.
   *
   * @param metadata - strings that {@link Session.loadCheckpoint} returns; keys that begin with "session." are taken.
   * @throws ReviewKdError `FILE_ACCESS`.
   */
  async saveCheckpoint(path: string, metadata: Readonly<Record<string, string>> = {}, options: SaveCheckpointOptions = {}): Promise<void> {
    await this.#native.save(path, await this.#signed(metadata), options.keepAs ?? "");
  }

  /**
   * The same between two steps of the epoch that `trainEpoch` runs, without waiting for its end.
   *
   * @returns false where no epoch runs, or it ended before: nothing was written then.
   * @throws ReviewKdError `FILE_ACCESS`; the epoch goes on.
   */
  async saveWithinEpoch(path: string, metadata: Readonly<Record<string, string>> = {}, options: SaveCheckpointOptions = {}): Promise<boolean> {
    return this.#native.saveWithinEpoch(path, await this.#signed(metadata), options.keepAs ?? "");
  }

  /**
   * Goes on from a checkpoint of a session with the same networks.
   *
   * @param options - `otherTeacher`: go on under a frozen teacher with other weights than it had then. Default false.
   * @returns the metadata that was saved with it.
   * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT` (a byte differs from what was written), `FILE_UNSUPPORTED`
   * (a format of another version), `STATE_DICT_MISMATCH` (other networks, another teacher); nothing is changed then.
   */
  async loadCheckpoint(path: string, options: { readonly otherTeacher?: boolean | undefined } = {}): Promise<Record<string, string>> {
    return this.#native.load(path, options.otherTeacher ?? false);
  }

  /** @internal */
  async origin(): Promise<Origin> {
    const { version, node, libtorch, threads } = await (this.#system ??= systemInfo());
    return { package: version, node, libtorch: libtorch.version, threads: this.options.threads ?? threads, device: this.model.device };
  }

  async #signed(metadata: Readonly<Record<string, string>>): Promise<Record<string, string>> {
    return { ...metadata, [ORIGIN_KEY]: JSON.stringify(await this.origin()) };
  }

  /** Ends the session's thread once the calls made so far are done, and frees the optimizer. Networks stay. */
  dispose(): void {
    this.#native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function toProgress(state: NativeEpochState): EpochProgress {
  const { seconds: _, ...progress } = state;
  return progress;
}

/** What a session trains: a student under its teacher, or a network by itself. */
export type SessionTarget = { readonly distiller: Distiller; readonly model?: never } | { readonly model: Model; readonly distiller?: never };

/**
 * Makes a training of a distiller, or of a single network by the losses of its task alone.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT`, `CUDA_UNAVAILABLE`, `DISPOSED`.
 * @example
 * ```ts
 * const session = await createSession({ distiller, optimizer: { kind: "sgd", learningRate: 0.1 } });
 * ```
 */
export async function createSession(options: SessionTarget & StepOptionsInput): Promise<Session> {
  const { distiller, model, ...rest } = options;
  const parsed = parse(StepOptions, rest, "session options");
  const trained = distiller?.student ?? model;
  const target = distiller?.native ?? model?.native;
  // The type forbids both; JavaScript does not.
  const both = distiller !== undefined && (model as unknown) !== undefined;
  if (trained === undefined || target === undefined || both) {
    throw new ReviewKdError("INVALID_ARGUMENT", "expected either a distiller or a model for a session, got both or none");
  }
  if (parsed.precision === "bfloat16" && trained.dtype !== "float32") {
    throw new ReviewKdError("INVALID_ARGUMENT", `expected a float32 network for precision bfloat16, got ${trained.dtype}`);
  }
  return new Session(await addon().createSession(target, parsed), trained, distiller, parsed);
}
