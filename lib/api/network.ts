import { withCommonErrors, type ProcessGroup } from "./process-group.js";
import { z } from "zod";
import { withSignal } from "./abort.js";
import { assertSplit, type DatasetSplit } from "./dataset.js";
import { addon } from "../native.js";
import type { NativeModel } from "../native-types.js";
import { isDetectorName } from "../config/detector-defaults.js";
import { withHome } from "../config/file-path.js";
import { NETWORK_ALIASES } from "../config/name-aliases.js";
import { unknownName } from "../config/nearest-name.js";
import { ImageSide, Metadata, type ModelDType, PositiveCount, Precision,
  ThreadCount } from "../config/schemas/common.js";
import type { ClassScore, Evaluation } from "../config/schemas/epoch.js";
import { StateDictOptions, type StateDictOptionsInput } from "../config/schemas/detection/detector.js";
import type { TaskInfo } from "../config/schemas/task.js";
import type { FeatureSpec } from "../config/schemas/model.js";
import { LoadOptions, type LoadOptionsInput, type LoadReport } from "../config/schemas/weights.js";
import { assertObject, parse } from "../config/validation.js";
import { explainShard, weightsFiles } from "../config/weights-path.js";
import { atCall, ReviewKdError } from "../errors.js";
import { isForeign, NativeObject, ONE_COPY } from "./native-object.js";
import { availableMemory } from "./system.js";
import { registryTask } from "./task.js";
import { toEntries, toStateDict, type StateDict } from "./tensor.js";

/** @internal */
export const EvaluateOptions = z.strictObject({
  /** Images in a batch, which does not change results beyond rounding. */
  batchSize: PositiveCount.default(256),
  precision: Precision.default("float32"),
  /** As in a session's options. */
  fused: z.boolean().default(true),
  /** Also count per class. */
  perClass: z.boolean().default(false),
  /** Threads of one operation. Default: those of a session, or as many as cores that this process may use. */
  threads: ThreadCount.optional(),
});

const SaveOptions = z.strictObject({ metadata: Metadata.optional() });

/** @internal Options of loading a state dict. */
export const LoadStateDictOptions = StateDictOptions.extend({ strict: z.boolean().default(true) });

/** Options of {@link Model.evaluate} and `Session.evaluate`. */
export interface EvaluateOptions extends z.input<typeof EvaluateOptions> {
  /** Stops within one batch. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of images processed. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** @internal */
export async function evaluateWith(native: Pick<NativeModel, "evaluate">, data: DatasetSplit, options: EvaluateOptions,
  group?: ProcessGroup): Promise<Evaluation> {
  assertSplit(data);
  assertObject(options, "evaluation options");
  const { signal, onProgress, ...rest } = options;
  const { perClass: wantsClasses, ...parsed } = parse(EvaluateOptions, rest, "evaluation options");
  const share = group === undefined ? {} : { share: { rank: group.rank, size: group.size, of: "batches" as const } };
  const plan = { batchSize: parsed.batchSize, seed: 0, epoch: 0, shuffle: false, augment: false, ...share };
  const { perClass, ...totals } = await data.images.pass(plan,
    (images, cancel) =>
      withSignal({ signal, onProgress, onStop: cancel, what: "the evaluation", isShared: group !== undefined },
        (stop, report) => withCommonErrors(group, native.evaluate(images, data.name, parsed, stop, report))));
  if (!wantsClasses) return totals;
  // A network may have more classes than the data; those of a classifier have no samples.
  const absent = "samples" in (perClass[0] ?? {}) ? { samples: 0, correct: 0 } : {};
  const scores = data.classNames.map((name, index) => ({ name, ...absent, ...perClass[index] }) as ClassScore);
  return { ...totals, perClass: scores };
}

/** A network with its parameters in native memory, which is freed once no distiller or session uses it. */
export abstract class Network extends NativeObject<NativeModel> {
  /** Name in the registry. */
  readonly name: string;
  readonly numClasses: number;
  readonly dtype: ModelDType;
  readonly #parameters: number;
  readonly #trainableParameters: number;

  /** @internal */
  constructor(native: NativeModel) {
    super(native);
    ({ name: this.name, numClasses: this.numClasses, dtype: this.dtype, parameters: this.#parameters,
      trainableParameters: this.#trainableParameters } = native.describe());
  }

  /** Losses and metrics of a training of this network. */
  get task(): TaskInfo {
    return this.native.task();
  }

  /** The device that currently holds the parameters. */
  get device(): "cpu" | "cuda" {
    return this.native.describe().device;
  }

  /** Whether its parameters are as initialised: never loaded, and not trained yet. */
  get untrained(): boolean {
    return this.native.describe().untrained;
  }

  /** Number of parameters; `trainable`: of those that a training changes, which a detector limits. */
  parameterCount(options: { trainable?: boolean } = {}): number {
    assertObject(options, "options of parameterCount");
    return options.trainable === true ? this.#trainableParameters : this.#parameters;
  }

  /**
   * Name, channels and size of each stage's map, shallow to deep, for images of this size in pixels.
   *
   * @throws ReviewKdError `SHAPE_MISMATCH` if the network does not support the size.
   */
  featureSpecs(height: number, width: number): FeatureSpec[] {
    return this.native.featureSpecs(parse(PositiveCount, height, "height"), parse(PositiveCount, width, "width"));
  }

  /**
   * The multiply-adds of convolutions and linear layers in the forward pass of one image of this size in pixels; of a
   * detector, which does not resize it here, with as many proposals and masks as there are at most.
   *
   * @throws ReviewKdError `SHAPE_MISMATCH` if the network does not support the size; `OUT_OF_MEMORY` if its feature
   * maps do not fit into memory.
   */
  async multiplyAdds(height: number, width: number): Promise<number> {
    const size = [parse(ImageSide, height, "height"), parse(ImageSide, width, "width")] as const;
    return this.native.cost(...size, availableMemory());
  }

  /** A copy of all parameters and buffers under their published names; a detector has those of detectron2, too. */
  async stateDict(options: StateDictOptionsInput = {}): Promise<StateDict> {
    return toStateDict(await this.native.stateDict(parse(StateDictOptions, options, "state dict options").names));
  }

  /**
   * Copies values into parameters and buffers by name, converting dtypes.
   *
   * @param options - `strict` (default true): names and shapes must agree; false: loads what fits and reports the rest,
   * such as a classifier with a different number of classes.
   * @throws ReviewKdError `STATE_DICT_MISMATCH`, naming the first differences; nothing is changed in this case.
   */
  async loadStateDict(state: Readonly<StateDict>,
    options: StateDictOptionsInput & { strict?: boolean } = {}): Promise<LoadReport> {
    const { strict, names } = parse(LoadStateDictOptions, options, "state dict options");
    return this.native.loadStateDict(toEntries(state), strict, names);
  }

  /**
   * Writes the parameters atomically to a `.safetensors`, `.pt` or `.pth` file. In Python,
   * `torch.load(path, weights_only=True)` reads the latter two.
   *
   * @throws ReviewKdError `FILE_UNSUPPORTED`, `FILE_ACCESS`.
   */
  async save(path: string, options: { metadata?: Readonly<Record<string, string>> } = {}): Promise<void> {
    const { metadata } = parse(SaveOptions, options, "save options");
    await this.native.save(withHome(path), { model: this.name, numClasses: String(this.numClasses), ...metadata });
  }

  /**
   * Reads parameters from a `.safetensors` file, one written by `torch.save` or a pickle of NumPy arrays as
   * detectron2's; the format is detected from the content. An index of shards (`*.index.json`) stands for all of them.
   * A state dict may be nested in a dictionary with other entries, or be that of a whole module; its names may have
   * anything in front of them that is the same for the whole network, such as `module.` or `net.`, or be those of
   * Hugging Face's transformers or timm. Nothing in a file is executed.
   *
   * @param options - as for {@link Model.loadStateDict}; `key` chooses one of several state dicts.
   * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`, `FILE_UNSUPPORTED`, `STATE_DICT_MISMATCH`,
   * `UNKNOWN_NAME` (a key, with the list of available keys).
   */
  async load(path: string, options: LoadOptionsInput = {}): Promise<LoadReport> {
    const { strict, key } = parse(LoadOptions, options, "load options");
    const load = async (): Promise<LoadReport> => this.native.load(await weightsFiles(path), strict, key ?? "");
    return atCall(explainShard(path, load()));
  }

  /**
   * The metrics over a split, in inference mode and without augmentation: accuracy and mean cross entropy of a
   * classifier, COCO's numbers (`ap`, `maskAp`, …) of a detector.
   *
   * @throws ReviewKdError `ABORTED` after the signal was aborted, `SHAPE_MISMATCH` if the data has more classes than
   * the network.
   */
  async evaluate(data: DatasetSplit, options: EvaluateOptions = {}): Promise<Evaluation> {
    return evaluateWith(this.native, data, options);
  }
}

/** The names of the classes of networks. */
export const NETWORKS = ["Model", "Detector"] as const;

/** The fix for a value that is none. */
export function networkFix(value: unknown): string {
  return isForeign(value, ...NETWORKS) ? ONE_COPY : "Create it with createModel or createDetector.";
}

/** Properties of a network that are known before it is created. */
export interface NetworkInfo {
  readonly name: string;
  readonly task: TaskInfo;
  /** Names of the stages that methods compare, shallow to deep: of a detector the levels of its pyramid. */
  readonly stages: readonly string[];
}

/** The parts of an error about the name of a network. */
export const ABOUT_NETWORKS = { aliases: NETWORK_ALIASES, lists: "`reviewkd models` lists all networks." } as const;

/**
 * Looks up a classifier or a detector by its name.
 *
 * @param role - What the name is for, for the message.
 * @throws ReviewKdError `UNKNOWN_NAME`, with the list of names.
 */
export function networkInfo(name: string, role: string): NetworkInfo {
  if (isDetectorName(name)) {
    const { task, levels } = addon().detectorInfo(knownDetector(name, role));
    return { name, task, stages: levels };
  }
  const models = addon().listModels();
  const found = models.find((model) => model.name === name);
  if (found === undefined) {
    const valid = [...models.map((model) => model.name), ...addon().listDetectors()];
    throw unknownName(name, { role, valid, ...ABOUT_NETWORKS });
  }
  return { name, task: registryTask(), stages: found.features.map((stage) => stage.name) };
}

/** The name of a detector, which is `name`. @throws ReviewKdError `UNKNOWN_NAME`, with the list of names. */
export function knownDetector(name: string, role: string): string {
  const valid = addon().listDetectors();
  if (valid.includes(name)) return name;
  throw unknownName(name, { role, valid, ...ABOUT_NETWORKS,
    expected: "faster-rcnn-BACKBONE-fpn, mask-rcnn-BACKBONE-fpn or retinanet-BACKBONE-fpn" });
}

/**
 * Whether a teacher and a student, known by their names, are detectors.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT`: only one of them is.
 */
export function areDetectors(teacher: string, student: string): boolean {
  const isDetector = isDetectorName(student);
  if (isDetectorName(teacher) === isDetector) return isDetector;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid teacher: expected ${isDetector ? "a detector" : "a classifier"} as the student ${student} is, received ${teacher}. Both must be classifiers, or both detectors.`);
}
