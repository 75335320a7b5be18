import { resolve } from "node:path";
import { z } from "zod";
import { withSignal } from "./abort.js";
import { assertDataset, nativeBatches, type AnyBatch, type Dataset, type DatasetSplit } from "./dataset.js";
import { Distiller } from "./distiller.js";
import type { Detector } from "./detection/detector.js";
import { atCall, ReviewKdError } from "../errors.js";
import { withoutPartialAdvice } from "../config/weights-advice.js";
import { Model } from "./model.js";
import { evaluateWith, Network, networkFix, NETWORKS, type EvaluateOptions } from "./network.js";
import { addon } from "../native.js";
import type { NativeSession } from "../native-types.js";
import { assertProcessGroup, withCommonErrors, type ProcessGroup } from "./process-group.js";
import { CLASS_NAME, isForeign, NativeObject, ONE_COPY, receivedText } from "./native-object.js";
import { Count, Metadata, PositiveNumber } from "../config/schemas/common.js";
import type { EpochProgress, EpochSummary, Evaluation } from "../config/schemas/epoch.js";
import type { StepResult } from "../config/schemas/losses.js";
import type { SystemInfo } from "../config/schemas/system.js";
import type { Origin } from "../config/schemas/run-record.js";
import type { TaskInfo } from "../config/schemas/task.js";
import { StateDictOptions, type StateDictOptionsInput } from "../config/schemas/detection/detector.js";
import { EpochOptions, StepOptions, type EpochOptionsInput,
  type StepOptionsInput } from "../config/schemas/training.js";
import { toStateDict, type StateDict } from "./tensor.js";
import { systemInfo } from "./system.js";
import { FilePath } from "../config/file-path.js";
import { withDetectorDefaults } from "../config/detector-defaults.js";
import { assertObject, parse, readValues, valueText } from "../config/validation.js";

/** Metadata key of a checkpoint's {@link Origin}, as JSON. Native code hides it from callers of `loadCheckpoint`. */
export const ORIGIN_KEY = "session.origin";

/** Options of {@link Session.saveCheckpoint}. */
export interface SaveCheckpointOptions {
  /** The name under which an existing file at the path is kept. */
  readonly keepAs?: string | undefined;
}

const SaveOptions = z.strictObject({ keepAs: FilePath.optional() });
const LoadCheckpointOptions = z.strictObject({ otherTeacher: z.boolean().default(false) });

/** Checks what is saved before anything is awaited. `keepAs` is empty if no file is to be kept. */
function parseSave(path: unknown, metadata: unknown, options: unknown): { to: string; keepAs: string } {
  const to = parse(FilePath, path, "path");
  parse(Metadata, metadata, "metadata");
  const { keepAs = "" } = parse(SaveOptions, options, "save options");
  if (keepAs !== "" && resolve(keepAs) === resolve(to)) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid keepAs in save options: expected another path than that of the checkpoint, received ${valueText(keepAs)}. Pass the name under which the earlier file is kept.`);
  }
  return { to, keepAs };
}

/** Options of {@link Session.trainEpoch}. */
export interface TrainEpochOptions extends EpochOptionsInput {
  /** Stops within one step. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the progress of the epoch, not necessarily after every step. */
  readonly onProgress?: ((progress: EpochProgress) => void) | undefined;
}

/** The position of a session. */
export interface SessionPosition {
  /** The epoch that was started last. */
  readonly epoch: number;
  /** Optimizer steps done in it, and those that it has. */
  readonly step: number;
  readonly steps: number;
  /** Optimizer steps since the training started. */
  readonly totalSteps: number;
}

/**
 * One training: a distiller or a single network with its optimizer, on its own native thread. Calls run one after the
 * other, in the order they were made. `dispose()` ends the thread after all pending calls and frees the optimizer; the
 * networks are kept. Created by {@link createSession}.
 */
export class Session<Trained extends Model | Detector = Model> extends NativeObject<NativeSession> {
  #system: Promise<SystemInfo> | undefined;

  /** @internal */
  constructor(
    native: NativeSession,
    /** The trained network. */
    readonly model: Trained,
    /** The distiller that the network learns from in addition to the labels. */
    readonly distiller: Distiller<Trained> | undefined,
    /** The options with all defaults applied. */
    readonly options: StepOptions,
    /** @internal The processes that train together; `undefined`: this one is alone. */
    readonly distributed: ProcessGroup | undefined,
  ) {
    super(native);
  }

  /** @internal */
  override get [CLASS_NAME](): string {
    return "Session";
  }

  /** The names of losses and metrics, and the metric that decides which epoch is the best. */
  get task(): TaskInfo {
    return this.native.task();
  }

  /**
   * Performs one optimizer step. With several batches, the step follows the mean gradient over the images of all of
   * them, as a step of `trainEpoch` with `accumulateBatches` does; with several processes, over those of all processes.
   *
   * @param batch - images `[N, 3, H, W]`, normalized, and labels `[N]`, int64; for a detector a list of images with the
   * objects of each; or several such batches.
   * @throws ReviewKdError `NON_FINITE_LOSS` (names step and term; no parameter was changed), `LABEL_OUT_OF_RANGE`,
   * `SHAPE_MISMATCH`, `DTYPE_MISMATCH`, `DEVICE_MISMATCH` (another session moved a network), `BATCH_TOO_SMALL`,
   * `DISPOSED`.
   * @example
   * ```ts
   * const { losses } = await session.step({ images, labels });
   * ```
   */
  async step(batch: AnyBatch | readonly AnyBatch[]): Promise<StepResult> {
    const kind = this.model instanceof Model ? "labels" : "targets";
    const batches = readValues(() => nativeBatches(batch, kind), "batches");
    return withCommonErrors(this.distributed, this.native.step(batches));
  }

  /**
   * Runs a whole epoch natively, in random order. If the session is within this epoch (after an abort, or a checkpoint
   * of one), runs the rest of it. A last batch of a single image is dropped. With `accumulateBatches`, each optimizer
   * step averages the gradients of as many batches, the last one of the epoch those of the batches that are left.
   *
   * The iterable of a streamed data set must not wait for this session, because the session runs its calls one after
   * the other.
   *
   * @throws ReviewKdError `ABORTED` after the step during which the signal was aborted; the epoch can then be
   * continued. Also what {@link Session.step} throws, and errors from the iterable or decoder of a streamed data set.
   */
  async trainEpoch(data: Dataset, options: TrainEpochOptions): Promise<EpochSummary> {
    assertDataset(data);
    assertObject(options, "epoch options");
    const { signal, onProgress, ...rest } = options;
    const parsed = parse(EpochOptions, rest, "epoch options");
    const report = (state: Partial<EpochSummary>): void => {
      delete state.seconds;
      onProgress?.(state as EpochProgress);
    };
    const { batchSize, seed, epoch, augment } = parsed;
    if (this.model instanceof Model) Model.trainedOn(this.model, data);
    const { distributed: group } = this;
    const share = group === undefined ? {} : { share: { rank: group.rank, size: group.size, of: "images" as const } };
    return data.train.images.pass({ batchSize, seed, epoch, augment, shuffle: true, ...share }, (images, cancel) =>
      // Several processes stop after the same step, until which each needs its images.
      withSignal({ signal, onProgress: report, onStop: group === undefined ? cancel : undefined, what: "the epoch",
        isShared: group !== undefined },
        (stop, onState) => withCommonErrors(group, this.native.trainEpoch(images, parsed, stop, onState))));
  }

  /** Like {@link Model.evaluate}, for the trained network, on this session's thread, after earlier calls. */
  async evaluate(data: DatasetSplit, options: EvaluateOptions = {}): Promise<Evaluation> {
    return evaluateWith(this.native, data, { precision: this.options.precision, fused: this.options.fused, ...options },
      this.distributed);
  }

  /**
   * Like {@link Session.evaluate}, for the distiller's teacher: its own metrics, at its own image size and in
   * `teacherPrecision`.
   *
   * @throws ReviewKdError `INVALID_ARGUMENT` for a session without a teacher, or a teacher for other data;
   * `SHAPE_MISMATCH` if its classes are not those of the data.
   */
  async evaluateTeacher(data: DatasetSplit, options: EvaluateOptions = {}): Promise<Evaluation> {
    const { precision, teacherPrecision = precision, fused } = this.options;
    const native: Pick<NativeSession, "evaluate"> = { evaluate: (...args) => this.native.evaluateTeacher(...args) };
    return evaluateWith(native, data, { precision: teacherPrecision, fused, ...options }, this.distributed);
  }

  /** Gradients of the last step, after clipping, keyed by state-dict name. */
  async gradients(options: StateDictOptionsInput = {}): Promise<StateDict> {
    return toStateDict(await this.native.gradients(parse(StateDictOptions, options, "gradient options").names));
  }

  /**
   * With several processes: gives all of them the networks, the optimizer and the position of the first one, as after
   * that has loaded a checkpoint. Sessions begin with it.
   *
   * @throws ReviewKdError `PROCESSES_DIFFER` (teachers), `PROCESS_LOST`.
   */
  async share(): Promise<void> {
    if (this.distributed !== undefined) await this.native.share();
  }

  /**
   * With several processes: checks that all of them have the same networks, optimizer and position.
   *
   * @throws ReviewKdError `PROCESSES_DIFFER`, `PROCESS_LOST`.
   */
  async checkSame(): Promise<void> {
    if (this.distributed !== undefined) await this.native.checkSame();
  }

  async position(): Promise<SessionPosition> {
    return this.native.position();
  }

  /** For custom loops: sets the epoch, counted from 0, that determines the method's warm-up from the next step on. */
  async setEpoch(epoch: number): Promise<void> {
    await this.native.configure({ epoch: parse(Count, epoch, "epoch") });
  }

  /** For custom loops: sets the learning rate from the next step on. `trainEpoch` sets it from its schedule. */
  async setLearningRate(learningRate: number): Promise<void> {
    await this.native.configure({ learningRate: parse(PositiveNumber, learningRate, "learningRate") });
  }

  /**
   * Writes everything that is needed to resume: student, the method's modules, optimizer, learning rate and position,
   * also within an epoch; a teacher in train mode as well, and the checksum of a frozen one. There is no random state
   * to save: order and augmentation follow from seed, epoch and position. The file is written atomically and carries a
   * checksum.
   *
   * @param metadata - strings that {@link Session.loadCheckpoint} returns; keys that begin with "session." are
   * reserved.
   * @throws ReviewKdError `FILE_ACCESS`.
   */
  async saveCheckpoint(path: string, metadata: Readonly<Record<string, string>> = {},
    options: SaveCheckpointOptions = {}): Promise<void> {
    const { to, keepAs } = parseSave(path, metadata, options);
    const save = async (): Promise<void> => this.native.save(to, await this.#signed(metadata), keepAs);
    return atCall(save());
  }

  /**
   * Like {@link Session.saveCheckpoint}, between two steps of the epoch that `trainEpoch` runs, without waiting for its
   * end.
   *
   * @returns false if no epoch is running or it ended first; nothing is written in this case.
   * @throws ReviewKdError `FILE_ACCESS`; the epoch continues.
   */
  async saveWithinEpoch(path: string, metadata: Readonly<Record<string, string>> = {},
    options: SaveCheckpointOptions = {}): Promise<boolean> {
    const { to, keepAs } = parseSave(path, metadata, options);
    const save = async (): Promise<boolean> => this.native.saveWithinEpoch(to, await this.#signed(metadata), keepAs);
    return atCall(save());
  }

  /**
   * Restores a checkpoint of a session with the same networks.
   *
   * @param options - `otherTeacher`: accept a frozen teacher whose weights differ from those at the time of saving.
   * Default false.
   * @returns the metadata that was saved with it.
   * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT` (checksum mismatch), `FILE_UNSUPPORTED` (a
   * different format version), `STATE_DICT_MISMATCH` (different networks or teacher); nothing is changed in these
   * cases.
   */
  async loadCheckpoint(path: string,
    options: { readonly otherTeacher?: boolean | undefined } = {}): Promise<Record<string, string>> {
    const { otherTeacher } = parse(LoadCheckpointOptions, options, "options of loadCheckpoint");
    const load = this.native.load(parse(FilePath, path, "path"), otherTeacher);
    return load.catch((error: unknown) => {
      throw withoutPartialAdvice(error);
    });
  }

  /** @internal */
  async origin(): Promise<Origin> {
    const { version, node, libtorch, threads } = await (this.#system ??= systemInfo());
    return { package: version, node, libtorch: libtorch.version, threads: this.options.threads ?? threads,
      device: this.model.device, processes: this.distributed?.size ?? 1 };
  }

  async #signed(metadata: Readonly<Record<string, string>>): Promise<Record<string, string>> {
    return { ...metadata, [ORIGIN_KEY]: JSON.stringify(await this.origin()) };
  }
}

/** A session of any network. */
export type AnySession = Session<Model | Detector>;

/** The training target of a session: a distiller's student, or a single network. */
export type SessionTarget<Trained extends Model | Detector = Model | Detector> =
  | { readonly distiller: Distiller<Trained>; readonly model?: never }
  | { readonly model: Trained; readonly distiller?: never };

/** Several processes that train together. */
export interface DistributedOption {
  /** The result of {@link joinProcessGroup}. Default: this process trains alone. */
  readonly distributed?: ProcessGroup | undefined;
}

/**
 * The one of both that is given, of the right class.
 *
 * @internal
 * @throws ReviewKdError `INVALID_ARGUMENT`
 */
export function assertTarget({ distiller, model }: { readonly distiller?: unknown; readonly model?: unknown },
  what: string): void {
  // The types rule these out; plain JavaScript does not.
  if ((distiller === undefined) === (model === undefined)) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid ${what}: expected either a distiller or a model, received both or neither.`);
  }
  if (distiller !== undefined && !(distiller instanceof Distiller && NativeObject.isCreated(distiller))) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid distiller in ${what}: expected a Distiller, received ${receivedText(distiller, "Distiller")}. ${isForeign(distiller, "Distiller") ? ONE_COPY : "Create it with createDistiller."}`);
  }
  if (model !== undefined && !(model instanceof Network && NativeObject.isCreated(model))) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid model in ${what}: expected a Model or a Detector, received ${receivedText(model, ...NETWORKS)}. ${networkFix(model)}`);
  }
}

/**
 * Makes a training of a distiller, or of a single network by the losses of its task alone. Defaults of the optimizer
 * are those of `fit`, for detectors and for classifiers, except that a weight decay which is given alone also applies
 * to norms.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT`, `CUDA_UNAVAILABLE`, `DISPOSED`.
 * @example
 * ```ts
 * const session = await createSession({ distiller, optimizer: { kind: "sgd", learningRate: 0.1 } });
 * ```
 */
export async function createSession<Trained extends Model | Detector = Model>(
  options: SessionTarget<Trained> & StepOptionsInput & DistributedOption,
): Promise<Session<Trained>> {
  assertObject(options, "session options");
  assertTarget(options, "session options");
  const { distiller, model, distributed, ...rest } = options;
  assertProcessGroup(distributed);
  const trained = (distiller?.student ?? model) as Trained;
  const parsed = parse(StepOptions, withDetectorDefaults(trained.name, rest), "session options");
  const { native: target } = distiller ?? trained;
  if ([parsed.precision, parsed.teacherPrecision].includes("bfloat16") && trained.dtype !== "float32") {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid network: expected dtype float32 for precision bfloat16, received ${trained.dtype}. Create the model with dtype "float32".`);
  }
  const group = distributed === undefined || distributed.size === 1 ? undefined : distributed;
  if (group === undefined)
    return new Session(await addon().createSession(target, parsed), trained, distiller, parsed, undefined);
  await group.assertSame({ network: trained.name, dtype: trained.dtype, numClasses: trained.numClasses,
    teacher: distiller?.teacher.name, method: distiller?.method, options: sharedOptions(parsed) }, "session options");
  const peers = { group: group.native, name: group.nextSession(), localRank: group.localRank };
  const session = new Session(await addon().createSession(target, parsed, peers), trained, distiller, parsed, group);
  try {
    await session.share();
  } catch (error) {
    session.dispose();
    throw error;
  }
  return session;
}

/** Options that all processes must have in common; those of the machine may differ. */
function sharedOptions(options: StepOptions): unknown {
  return Object.fromEntries(Object.entries(options).filter(([key]) => !MACHINE_OPTIONS.has(key)));
}

const MACHINE_OPTIONS: ReadonlySet<string> = new Set(
  Object.entries(StepOptions.shape).flatMap(([key, schema]) =>
    (schema as z.ZodType).meta()?.["resumable"] === true ? [key] : []
  ),
);
