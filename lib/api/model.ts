import { z } from "zod";
import { withSignal } from "./abort.js";
import type { DatasetSplit } from "./dataset.js";
import { addon, type NativeModel, type NativeSession } from "../native.js";
import { type ModelDType, PositiveCount, Precision } from "../config/schemas/common.js";
import type { Evaluation } from "../config/schemas/epoch.js";
import { NativeObject } from "./native-object.js";
import { ModelOptions, type FeatureSpec, type ModelInfo, type ModelOptionsInput } from "../config/schemas/model.js";
import { LoadOptions, WeightsChoice, type LoadOptionsInput, type LoadReport,
  type WeightsInfo } from "../config/schemas/weights.js";
import { Tensor, toEntries, toStateDict, type StateDict } from "./tensor.js";
import { parse } from "../config/validation.js";

/** A stage's feature map before and after its last activation, `[N, C, H, W]`. */
export interface StageFeature {
  readonly name: string;
  readonly before: Tensor;
  readonly after: Tensor;
}

/** The output of a forward pass. */
export interface ModelOutput {
  /** `[N, classes]`. */
  readonly logits: Tensor;
  /** Shallow to deep; empty unless requested. */
  readonly features: readonly StageFeature[];
}

const EvaluateOptions = z.strictObject({
  batchSize: PositiveCount.default(256),
  precision: Precision.default("float32"),
  /** As in a session's options. */
  fused: z.boolean().default(true),
  /** Also count per class. */
  perClass: z.boolean().default(false),
});

/** Options of {@link Model.evaluate} and `Session.evaluate`. */
export interface EvaluateOptions extends z.input<typeof EvaluateOptions> {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of images processed. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** @internal */
export async function evaluateWith(native: NativeModel | NativeSession, data: DatasetSplit,
  options: EvaluateOptions): Promise<Evaluation> {
  const { signal, onProgress, ...rest } = options;
  const { perClass: wantsClasses, ...parsed } = parse(EvaluateOptions, rest, "evaluation options");
  const plan = { batchSize: parsed.batchSize, seed: 0, epoch: 0, shuffle: false, augment: false };
  const { perClass, ...totals } = await data.images.pass(plan,
    (images, cancel) =>
      withSignal({ signal, onProgress, onStop: cancel, what: "the evaluation" }, (stop, report) =>
        native.evaluate(images, data.name, parsed, stop, report)));
  if (!wantsClasses) return totals;
  // A network may have more classes than the data; the extra ones have no samples.
  const scores = data.classNames.map((name, index) => ({ name, samples: 0, correct: 0, ...perClass[index] }));
  return { ...totals, perClass: scores };
}

const ForwardOptions = z.strictObject({ features: z.boolean().default(false),
  mode: z.enum(["eval", "train"]).default("eval") });

/**
 * A network with its parameters in native memory, which is freed once no distiller or session uses it. Created by
 * {@link createModel}.
 */
export class Model extends NativeObject<NativeModel> {
  /** Name in the registry. */
  readonly name: string;
  readonly numClasses: number;
  readonly dtype: ModelDType;
  readonly #parameters: number;

  /** @internal */
  constructor(native: NativeModel) {
    super(native);
    ({ name: this.name, numClasses: this.numClasses, dtype: this.dtype, parameters: this.#parameters } = native
      .describe());
  }

  /** The device that currently holds the parameters. */
  get device(): "cpu" | "cuda" {
    return this.native.describe().device;
  }

  /** Number of trainable parameters. */
  parameterCount(): number {
    return this.#parameters;
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
   * Runs the network without gradients.
   *
   * @param images - `[N, 3, H, W]`, normalized as in training; converted to the network's dtype.
   * @param options - `features`: also return each stage's maps. `mode`: `"eval"` (default) uses running statistics;
   * `"train"` uses batch statistics and updates the running ones.
   * @throws ReviewKdError `SHAPE_MISMATCH`, `DISPOSED`.
   */
  async forward(images: Tensor, options: z.input<typeof ForwardOptions> = {}): Promise<ModelOutput> {
    const output = await this.native.forward(images.native, parse(ForwardOptions, options, "forward options"));
    return {
      logits: Tensor.wrap(output.logits),
      features: output.features.map(({ name, before, after }) => ({ name, before: Tensor.wrap(before),
        after: Tensor.wrap(after) })
      ),
    };
  }

  /** A copy of all parameters and buffers under their published names. */
  async stateDict(): Promise<StateDict> {
    return toStateDict(await this.native.stateDict());
  }

  /**
   * Copies values into parameters and buffers by name, converting dtypes.
   *
   * @param options - `strict` (default true): names and shapes must agree; false: loads what fits and reports the rest,
   * such as a classifier with a different number of classes.
   * @throws ReviewKdError `STATE_DICT_MISMATCH`, naming the first differences; nothing is changed in this case.
   */
  async loadStateDict(state: Readonly<StateDict>, options: { strict?: boolean } = {}): Promise<LoadReport> {
    return this.native.loadStateDict(toEntries(state), options.strict ?? true);
  }

  /**
   * Writes the parameters atomically to a `.safetensors`, `.pt` or `.pth` file. In Python,
   * `torch.load(path, weights_only=True)` reads the latter two.
   *
   * @throws ReviewKdError `FILE_UNSUPPORTED`, `FILE_ACCESS`.
   */
  async save(path: string, options: { metadata?: Readonly<Record<string, string>> } = {}): Promise<void> {
    await this.native.save(path, { model: this.name, numClasses: String(this.numClasses), ...options.metadata });
  }

  /**
   * Reads parameters from a `.safetensors` file, one written by `torch.save` or a pickle of NumPy arrays as
   * detectron2's; the format is detected from the content. A state dict may be nested in a dictionary with other
   * entries, and its names may begin with `module.`, `_orig_mod.`, `model.` or `student.`. Nothing in a file is
   * executed.
   *
   * @param options - as for {@link Model.loadStateDict}; `key` chooses one of several state dicts.
   * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`, `FILE_UNSUPPORTED`, `STATE_DICT_MISMATCH`,
   * `UNKNOWN_NAME` (a key, with the list of available keys).
   */
  async load(path: string, options: LoadOptionsInput = {}): Promise<LoadReport> {
    const { strict, key } = parse(LoadOptions, options, "load options");
    return this.native.load(path, strict, key ?? "");
  }

  /**
   * Accuracy and mean cross entropy over a split, in inference mode and without augmentation.
   *
   * @throws ReviewKdError `ABORTED` after the signal was aborted, `SHAPE_MISMATCH` if the data has more classes than
   * the network.
   */
  async evaluate(data: DatasetSplit, options: EvaluateOptions = {}): Promise<Evaluation> {
    return evaluateWith(this.native, data, options);
  }
}

/** Keys that `fit` adds to a checkpoint's metadata: its progress and the configuration, both as JSON, and its hash. */
export const TRAINING_METADATA = { progress: "fit", config: "config", configHash: "configHash" } as const;

/** Metadata key of weights and checkpoints that holds the class names as a JSON array. */
export const CLASS_NAMES_KEY = "classNames";

/**
 * Creates a network of the registry with its published initialisation.
 *
 * @param name - a name from {@link listModels}, for example `"resnet20"`.
 * @throws ReviewKdError `UNKNOWN_NAME` (with the list of names), `INVALID_ARGUMENT`, `CUDA_UNAVAILABLE`, and what
 * {@link Model.load} throws if `weights` is given.
 * @example
 * ```ts
 * const student = await createModel("resnet20", { numClasses: 100, seed: 1 });
 * ```
 */
export async function createModel(name: string, options: ModelOptionsInput = {}): Promise<Model> {
  const { weights, ...rest } = parse(ModelOptions, options, "model options");
  const model = new Model(await addon().createModel({ ...rest, name: parse(z.string(), name, "model name") }));
  if (weights === undefined) return model;
  try {
    await model.load(weights);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}

/** The available networks, with parameters and stages at the published image size and number of classes. */
export function listModels(): ModelInfo[] {
  return addon().listModels();
}

/**
 * Reads the description of a weights file without its values; the format is detected from the content.
 *
 * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`, `FILE_UNSUPPORTED`, `UNKNOWN_NAME` (a key).
 */
export async function readWeightsInfo(path: string, options: WeightsChoice = {}): Promise<WeightsInfo> {
  const info = await addon().readWeightsInfo(path, parse(WeightsChoice, options, "options"));
  return { ...info, classNames: classNamesIn(info.metadata) };
}

/** @internal The class names under {@link CLASS_NAMES_KEY}; `null` if missing or invalid. */
export function classNamesIn(metadata: Readonly<Record<string, string>>): string[] | null {
  try {
    return z.array(z.string()).parse(JSON.parse(metadata[CLASS_NAMES_KEY] ?? ""));
  } catch {
    return null;
  }
}
