import { z } from "zod";
import { addon } from "../native.js";
import { ModelOptions, type ModelInfo, type ModelOptionsInput } from "../config/schemas/model.js";
import { type LoadOptionsInput, type LoadReport, ModelSaveOptions, type ModelSaveOptionsInput, WeightsChoice,
  type WeightsInfo } from "../config/schemas/weights.js";
import type { OnnxFile } from "../config/schemas/onnx.js";
import { unknownName } from "../config/nearest-name.js";
import { withHome } from "../config/file-path.js";
import { parse } from "../config/validation.js";
import { weightsFiles } from "../config/weights-path.js";
import { atCall, isReviewKdError, loopAtCall, ReviewKdError } from "../errors.js";
import type { Dataset } from "./dataset.js";
import { detectorInfoOf } from "./detection/detector-file.js";
import { classifierMetadata, classNamesIn, preprocessingIn } from "./metadata.js";
import { CLASS_NAME } from "./native-object.js";
import { ABOUT_NETWORKS, Network } from "./network.js";
import { classifyAllWith, classifyWith, type ClassifiedImage, type ClassifyAllOptions, type ClassifyOptions,
  type Prediction } from "./classification/classify.js";
import type { ImageInput, SkippedImage } from "./detection/detect.js";
import { exportOnnxWith, type ExportOnnxOptions } from "./onnx/export-onnx.js";
import { exportTransformersWith, type ExportTransformersOptions } from "./onnx/export-transformers.js";
import { completePreprocessing, type KnownPreprocessing,
  type ModelPreprocessing } from "./classification/preprocessing.js";
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

/** @internal */
export const ForwardOptions = z.strictObject({
  /** Also return the maps of the stages. */
  features: z.boolean().default(false),
  /** `"train"`: batch normalizations use and update the statistics of the batch. */
  mode: z.enum(["eval", "train"]).default("eval"),
});
/** Options of {@link Model.forward}. */
export interface ForwardOptionsInput extends z.input<typeof ForwardOptions> {}

/**
 * A network with its parameters in native memory, which is freed once no distiller or session uses it. Created by
 * {@link createModel}.
 */
export class Model extends Network {
  #loadReport: LoadReport | null = null;
  #classNames: readonly string[] | null = null;
  #preprocessing: KnownPreprocessing = {};

  /** @internal */
  override get [CLASS_NAME](): string {
    return "Model";
  }

  /** The result of loading the last file; `null` if none was loaded. */
  get loadReport(): LoadReport | null {
    return this.created.#loadReport;
  }

  /** @internal Has a model remember the classes and images that it is trained on. */
  static trainedOn(model: Model, { classNames, preprocessing }: Dataset): void {
    model.#classNames = classNames;
    model.#preprocessing = preprocessing ?? {};
  }

  /** One name per class: of the data it was trained on, or from the metadata of its weights; `null` if unknown. */
  get classNames(): readonly string[] | null {
    return this.created.#classNames;
  }

  /**
   * The input that the network was trained on: from its data or from the metadata of its weights, completed by what is
   * published for the architecture.
   */
  get preprocessing(): ModelPreprocessing {
    const { imageSize } = this.native.describe();
    if (imageSize === undefined)
      throw new ReviewKdError("INTERNAL", `missing image size of ${this.name}: it is not in the registry.`);
    return completePreprocessing(this.#preprocessing, imageSize);
  }

  /**
   * Writes the parameters as {@link Network.save} does, with the class names and the preprocessing, as far as they are
   * known, so that {@link Model.classify} of a network that loads them needs no options.
   *
   * @throws ReviewKdError `FILE_UNSUPPORTED`, `FILE_ACCESS`, `INVALID_ARGUMENT`.
   */
  override async save(path: string, options: ModelSaveOptionsInput = {}): Promise<void> {
    const { metadata, classNames = this.#classNames, ...rest } = parse(ModelSaveOptions, options, "save options");
    if (classNames !== null && classNames.length !== this.numClasses) {
      throw new ReviewKdError("INVALID_ARGUMENT",
        `invalid classNames in save options: expected ${this.numClasses} names, one for each class, received ${classNames.length}. Pass one name per class.`);
    }
    const own = classifierMetadata({ classNames, ...this.#preprocessing });
    await super.save(path, { metadata: { ...own, ...classifierMetadata(rest), ...metadata } });
  }

  override async load(path: string, options: LoadOptionsInput = {}): Promise<LoadReport> {
    return atCall(this.#load(path, options));
  }

  async #load(path: string, options: LoadOptionsInput): Promise<LoadReport> {
    this.#loadReport = await super.load(path, options);
    const { key } = options;
    const { metadata, classNames, preprocessing } = await readWeightsInfo(path, key === undefined ? {} : { key });
    // Weights of another number of classes may be loaded but for the last layer.
    const isOwn = classNames?.length === this.numClasses &&
      (metadata["numClasses"] ?? String(classNames.length)) === String(this.numClasses);
    this.#classNames = isOwn ? classNames : this.#classNames;
    this.#preprocessing = { ...this.#preprocessing, ...preprocessing };
    return this.#loadReport;
  }

  /**
   * Writes the network as an ONNX file, which any runtime reads: `pixel_values` `[N, 3, H, W]`, RGB from 0 to 1, of any
   * number of images → `logits` and `probabilities`, `[N, classes]`. Normalizations of batches are folded into
   * convolutions.
   *
   * @param path - a file that ends with .onnx; replaced if it exists.
   * @throws ReviewKdError `FILE_UNSUPPORTED`, `FILE_ACCESS`, `INVALID_ARGUMENT`, `SHAPE_MISMATCH` for an image size
   * that the network does not support, `ABORTED`.
   * @see https://onnx.ai/onnx/repo-docs/IR.html
   * @example
   * ```ts
   * await student.exportOnnx("student.onnx");
   * await student.exportOnnx("student-int8.onnx", { quantize: "int8", calibration: data.train, test: data.test });
   * ```
   */
  async exportOnnx(path: string, options: ExportOnnxOptions = {}): Promise<OnnxFile> {
    return atCall(exportOnnxWith(this.#exported(), path, options));
  }

  /**
   * Writes a directory that transformers.js loads: `onnx/model.onnx`, `config.json` with the class names, and
   * `preprocessor_config.json` with the resizing and cropping of the training's test images.
   *
   * @throws ReviewKdError as {@link Model.exportOnnx}.
   * @see https://huggingface.co/docs/transformers.js
   * @example
   * ```ts
   * await student.exportTransformers("web/student");
   * ```
   */
  async exportTransformers(directory: string, options: ExportTransformersOptions = {}): Promise<OnnxFile> {
    return atCall(exportTransformersWith(this, directory, options));
  }

  #exported(): Parameters<typeof exportOnnxWith>[0] {
    const { preprocessing } = this;
    return { native: this.native, name: this.name, numClasses: this.numClasses, classNames: this.classNames,
      imageSize: preprocessing.imageSize, preprocessing, metadata: {}, parameterCount: () => this.parameterCount() };
  }

  /**
   * Names the classes of images, in inference mode: the most likely ones with their probabilities, the softmax of the
   * logits. Files and encoded images are resized, cropped and normalized as the test images of the training were, and
   * their EXIF orientation is applied.
   *
   * @param images - one image or a list: paths of image files, encoded images, and Tensors `[3, H, W]` or
   * `[N, 3, H, W]`, RGB from 0 to 1, which are normalized, but keep their size. sharp, an optional peer dependency,
   * decodes files.
   * @returns for each image its classes, most likely first; a list for a list and for a Tensor of several images.
   * @throws ReviewKdError `SHAPE_MISMATCH`, `DTYPE_MISMATCH`, `INVALID_ARGUMENT`, `DISPOSED`, `ABORTED`; for files
   * `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`, `FILE_UNSUPPORTED`, `DEPENDENCY_MISSING`.
   * @example
   * ```ts
   * const model = await createModel("resnet20", { numClasses: 100, weights: "resnet20.safetensors" });
   * const [best] = await model.classify("photo.jpg");
   * console.log(best?.className, best?.probability);
   * ```
   */
  classify(images: string | Uint8Array, options?: ClassifyOptions): Promise<Prediction[]>;
  classify(images: readonly ImageInput[], options?: ClassifyOptions): Promise<Prediction[][]>;
  classify(images: ImageInput | readonly ImageInput[],
    options?: ClassifyOptions): Promise<Prediction[] | Prediction[][]>;
  async classify(images: ImageInput | readonly ImageInput[],
    options: ClassifyOptions = {}): Promise<Prediction[] | Prediction[][]> {
    return atCall(classifyWith(this, images, options));
  }

  /**
   * Names the classes of many image files, one batch after the other while the next is decoded, and yields them in
   * order.
   *
   * @param source - paths of image files and of folders, whose images are taken recursively and sorted by name; hidden
   * ones are left out. {@link listImages} gives the same list.
   * @throws ReviewKdError as {@link Model.classify}.
   * @example
   * ```ts
   * for await (const { path, predictions } of model.classifyAll("holiday", { topK: 1 }))
   *   console.log(path, predictions[0]?.className);
   * ```
   */
  classifyAll(source: string | readonly string[],
    options?: ClassifyAllOptions & { readonly onDecodeError?: "fail" | undefined }
  ): AsyncGenerator<ClassifiedImage, void>;
  classifyAll(source: string | readonly string[],
    options?: ClassifyAllOptions): AsyncGenerator<ClassifiedImage | SkippedImage, void>;
  classifyAll(source: string | readonly string[],
    options: ClassifyAllOptions = {}): AsyncGenerator<ClassifiedImage | SkippedImage, void> {
    return loopAtCall(classifyAllWith(this, source, options));
  }

  /**
   * Runs the network without gradients.
   *
   * @param images - `[N, 3, H, W]`, normalized as in training; converted to the network's dtype.
   * @param options - `features`: also return each stage's maps. `mode`: `"eval"` (default) uses running statistics;
   * `"train"` uses batch statistics and updates the running ones.
   * @throws ReviewKdError `SHAPE_MISMATCH`, `DISPOSED`.
   */
  async forward(images: Tensor, options: ForwardOptionsInput = {}): Promise<ModelOutput> {
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
  const { weights, key, strict, ...rest } = parse(ModelOptions, options, "model options");
  if (weights === undefined && key !== undefined) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid model options: expected key with weights, received "${key}" alone. Pass \`weights\`.`);
  }
  const parsedName = parse(z.string(), name, "model name");
  const native = addon().createModel({ ...rest, name: parsedName }).catch((error: unknown) => {
    throw explainUnknown(explainMemory(error, parsedName, rest.numClasses), parsedName);
  });
  const model = new Model(await native);
  if (weights === undefined) return model;
  try {
    await model.load(weights, { key, strict });
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}

/** A network alone does not fit into memory: there is no batch yet that could be smaller. */
export function explainMemory(error: unknown, name: string, numClasses: number): unknown {
  if (!isReviewKdError(error) || error.code !== "OUT_OF_MEMORY") return error;
  return new ReviewKdError("OUT_OF_MEMORY",
    `not enough memory to create ${name} with ${numClasses} classes. Pass the number of classes that the data have, take a smaller network, or free memory.`,
    { cause: error });
}

/** The error of a name that no classifier has, with the classifier or detector that was meant. */
function explainUnknown(error: unknown, name: string): unknown {
  if (!isReviewKdError(error) || error.code !== "UNKNOWN_NAME") return error;
  const detectors = addon().listDetectors();
  if (!detectors.includes(name)) {
    return unknownName(name, { role: "model name", valid: error.valid, others: detectors, cause: error,
      ...ABOUT_NETWORKS });
  }
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
  return atCall(readInfo(path, parse(WeightsChoice, options, "options")));
}

async function readInfo(path: string, choice: WeightsChoice): Promise<WeightsInfo> {
  const info = await addon().readWeightsInfo(await weightsFiles(path), choice);
  return { ...info, classNames: classNamesIn(info.metadata), preprocessing: preprocessingIn(info.metadata),
    detector: await detectorInfoOf(withHome(path), info) };
}
