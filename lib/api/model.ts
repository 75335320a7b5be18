import { z } from "zod";
import { addon } from "../native.js";
import { ModelOptions, type ModelInfo, type ModelOptionsInput } from "../config/schemas/model.js";
import { WeightsChoice, type WeightsInfo } from "../config/schemas/weights.js";
import { withNearestName } from "../config/nearest-name.js";
import { parse } from "../config/validation.js";
import { atCall, isReviewKdError, ReviewKdError } from "../errors.js";
import { detectorInfoOf } from "./detector-file.js";
import { classNamesIn } from "./metadata.js";
import { Network } from "./network.js";
import { nativeTensor, Tensor } from "./tensor.js";

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

const ForwardOptions = z.strictObject({ features: z.boolean().default(false),
  mode: z.enum(["eval", "train"]).default("eval") });

/**
 * A network with its parameters in native memory, which is freed once no distiller or session uses it. Created by
 * {@link createModel}.
 */
export class Model extends Network {
  /**
   * Runs the network without gradients.
   *
   * @param images - `[N, 3, H, W]`, normalized as in training; converted to the network's dtype.
   * @param options - `features`: also return each stage's maps. `mode`: `"eval"` (default) uses running statistics;
   * `"train"` uses batch statistics and updates the running ones.
   * @throws ReviewKdError `SHAPE_MISMATCH`, `DISPOSED`.
   */
  async forward(images: Tensor, options: z.input<typeof ForwardOptions> = {}): Promise<ModelOutput> {
    const output = await this.native.forward(nativeTensor(images, "images"),
      parse(ForwardOptions, options, "forward options"));
    return {
      logits: Tensor.wrap(output.logits),
      features: output.features.map(({ name, before, after }) => ({ name, before: Tensor.wrap(before),
        after: Tensor.wrap(after) })
      ),
    };
  }
}

export { CATEGORY_IDS_KEY, CLASS_NAMES_KEY } from "./metadata.js";

/** Keys that `fit` adds to a checkpoint's metadata: its progress and the configuration, both as JSON, and its hash. */
export const TRAINING_METADATA = { progress: "fit", config: "config", configHash: "configHash" } as const;

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
  return atCall(newModel(name, options));
}

async function newModel(name: string, options: ModelOptionsInput): Promise<Model> {
  const { weights, ...rest } = parse(ModelOptions, options, "model options");
  const parsedName = parse(z.string(), name, "model name");
  const native = addon().createModel({ ...rest, name: parsedName }).catch((error: unknown) => {
    throw explainUnknown(error, parsedName);
  });
  const model = new Model(await native);
  if (weights === undefined) return model;
  try {
    await model.load(weights);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}

/** The error of a name that no classifier has, with the classifier or detector that was meant. */
function explainUnknown(error: unknown, name: string): unknown {
  if (!isReviewKdError(error) || error.code !== "UNKNOWN_NAME") return error;
  const detectors = addon().listDetectors();
  if (!detectors.includes(name)) return withNearestName(error, name, [...error.valid, ...detectors]);
  return new ReviewKdError("UNKNOWN_NAME",
    `invalid model name: expected a classifier, received the detector "${name}". Create it with createDetector.`, {
    valid: [...error.valid],
    cause: error,
  });
}

/** The available networks, with parameters and stages at the published image size and number of classes. */
export function listModels(): ModelInfo[] {
  return addon().listModels();
}

/** The names of all detectors: each kind over each network that can be its backbone. */
export function listDetectors(): string[] {
  return addon().listDetectors();
}

/**
 * Reads the description of a weights file without its values; the format is detected from the content.
 *
 * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`, `FILE_UNSUPPORTED`, `UNKNOWN_NAME` (a key).
 */
export async function readWeightsInfo(path: string, options: WeightsChoice = {}): Promise<WeightsInfo> {
  const info = await addon().readWeightsInfo(path, parse(WeightsChoice, options, "options"));
  return { ...info, classNames: classNamesIn(info.metadata), detector: await detectorInfoOf(path, info) };
}
