import { z } from "zod";
import type { NativeModel } from "../../native-types.js";
import { type DetectionOptions, type DetectorSwitches, type Flavor,
  type Size } from "../../config/schemas/detection/detector.js";
import { type DetectorLoadReport, DetectorSaveOptions, type DetectorSaveOptionsInput, LoadOptions,
  type LoadOptionsInput } from "../../config/schemas/weights.js";
import type { OnnxFile } from "../../config/schemas/onnx.js";
import { withHome } from "../../config/file-path.js";
import { hasBackgroundClass } from "../../config/detector-defaults.js";
import { parse } from "../../config/validation.js";
import { weightsFiles } from "../../config/weights-path.js";
import { atCall, loopAtCall } from "../../errors.js";
import type { Dataset } from "../dataset.js";
import { assertLoadable, DETECTOR_METADATA, detectorMetadata, readDetectorFile,
  type DetectorFile } from "./detector-file.js";
import { detectAllWith, detectWith, type DetectAllOptions, type DetectedImage, type DetectOptions, type ImageInput,
  type SkippedImage } from "./detect.js";
import { exportOnnxWith, type ExportOnnxOptions } from "../onnx/export-onnx.js";
import { natives, wrapped } from "../functional/call.js";
import { CLASS_NAMES_KEY } from "../metadata.js";
import { CLASS_NAME } from "../native-object.js";
import { Network } from "../network.js";
import type { Tensor } from "../tensor.js";

/** Objects that were found in an image, by falling score. */
export interface Detections {
  /** `[N, 4]`, x1 y1 x2 y2 in pixels of the image. */
  readonly boxes: Tensor;
  /** `[N]`, from 0 to 1. */
  readonly scores: Tensor;
  /** `[N]`, int64. */
  readonly labels: Tensor;
  /** `[N, H, W]`, 0 and 1 as uint8, or probabilities; of Mask R-CNN. */
  readonly masks?: Tensor;
}

/** The outputs of a detector's parts, for comparing them. */
export interface DetectorOutput {
  /** `[N, 3, H, W]`, normalized and padded. */
  readonly input: Tensor;
  /** Sizes of the resized images without padding. */
  readonly imageSizes: readonly Size[];
  /** `[N, 256, h, w]` by level, shallow to deep: p2 … p6, or p3 … p7 of RetinaNet. */
  readonly levels: readonly Tensor[];
  /** Of each image, `[K, 4]`, on the resized image; of two-stage detectors. */
  readonly proposals?: readonly Tensor[];
  /** Logits `[N, anchors]` and deltas `[N, anchors, 4]` of the region proposal network. */
  readonly objectness?: Tensor;
  readonly rpnDeltas?: Tensor;
  /** Logits `[N, anchors, classes]` and deltas `[N, anchors, 4]` of RetinaNet. */
  readonly logits?: Tensor;
  readonly deltas?: Tensor;
}

/** The short side of images for a detector that does not resize them. */
const DETECTOR_SIDE = 800;
/** Of a pyramid's stages: sides are padded to multiples of it. */
const LARGEST_STRIDE = 32;

/** @internal */
export const ForwardOptions = z.strictObject({
  /** `"train"`: the outputs of a training step, in which batch normalizations follow the batch. */
  mode: z.enum(["eval", "train"]).default("eval"),
});
/** Options of {@link Detector.forward}. */
export interface DetectorForwardOptionsInput extends z.input<typeof ForwardOptions> {}

/** Properties of a detector in addition to its parameters. */
export interface DetectorSettings {
  readonly flavor: Flavor;
  readonly switches: DetectorSwitches;
  /** Of the data that it is for. */
  readonly classes?: Pick<Dataset, "classNames" | "categoryIds"> | undefined;
}

/** A weights file and the part of a detector that it is loaded into. */
export interface DetectorSource {
  readonly path: string;
  readonly file: DetectorFile;
  readonly part: "all" | "body";
  readonly options: z.output<typeof LoadOptions>;
}

/**
 * Faster R-CNN, Mask R-CNN or RetinaNet over a backbone of the zoo with a feature pyramid. Created by
 * {@link createDetector}.
 */
export class Detector extends Network {
  /** Whose arithmetic and defaults it has. */
  readonly flavor: Flavor;
  /** All its switches. */
  readonly detection: DetectionOptions;
  #classNames: readonly string[] | null = null;
  #categoryIds: readonly number[] | null = null;
  #loadReport: DetectorLoadReport | null = null;

  /** @internal */
  constructor(native: NativeModel, { flavor, switches, classes }: DetectorSettings) {
    super(native);
    this.flavor = flavor;
    this.detection = switches;
    this.#classNames = classes?.classNames ?? null;
    this.#categoryIds = classes?.categoryIds ?? null;
  }

  /** @internal The classes of its data precede those of the file. Disposes of the detector if loading fails. */
  static async load(detector: Detector, source: DetectorSource,
    classes: DetectorSettings["classes"]): Promise<Detector> {
    try {
      await detector.#load(source);
      if (classes !== undefined)
        [detector.#classNames, detector.#categoryIds] = [classes.classNames, classes.categoryIds];
    } catch (error) {
      detector.dispose();
      throw error;
    }
    return detector;
  }

  /** @internal */
  override get [CLASS_NAME](): string {
    return "Detector";
  }

  /**
   * One name per class, without the background: of the data that it was created for, or from the metadata of its
   * weights; `null` if there are none.
   */
  get classNames(): readonly string[] | null {
    return this.created.#classNames;
  }

  /** Ids of the data set's categories, in the order of the classes; `null` if they are not known. */
  get categoryIds(): readonly number[] | null {
    return this.created.#categoryIds;
  }

  /** The name of each label, as {@link drawDetections} takes them: `null` for the background. Empty without names. */
  get labelNames(): readonly (string | null)[] {
    return this.#byLabel(this.#classNames) ?? [];
  }

  /**
   * The category id of each label, as {@link toCocoResults} takes them: `null` for the background. `undefined` if none
   * are known, when labels are ids, like those of torchvision's detectors for COCO.
   */
  get labelCategoryIds(): readonly (number | null)[] | undefined {
    return this.#byLabel(this.#categoryIds);
  }

  /** Values of classes by label. Files may count the background among the classes. */
  #byLabel<Value>(values: readonly Value[] | null): readonly (Value | null)[] | undefined {
    if (values?.length === this.numClasses) return values;
    return values?.length === this.numClasses - 1 && hasBackgroundClass(this.name) ? [null, ...values] : undefined;
  }

  /** The result of the last loading from a file; `null` if its parameters are as initialised. */
  get loadReport(): DetectorLoadReport | null {
    return this.created.#loadReport;
  }

  /**
   * Writes the parameters under torchvision's or detectron2's names, with the flavor and the switches as metadata, so
   * that `createDetector(detector.name, { weights: path })` creates an equal detector. In Python, torchvision's
   * detector of the same shape loads a `.pth` file with `strict=True`.
   *
   * @throws ReviewKdError `FILE_UNSUPPORTED`, `FILE_ACCESS`, `INVALID_ARGUMENT`.
   */
  override async save(path: string, options: DetectorSaveOptionsInput = {}): Promise<void> {
    const { metadata, names, classNames = this.#classNames, categoryIds = this.#categoryIds } = parse(
      DetectorSaveOptions,
      options,
      "save options",
    );
    await this.native.save(withHome(path), {
      ...detectorMetadata(this),
      ...(classNames === null ? {} : { [CLASS_NAMES_KEY]: JSON.stringify(classNames) }),
      ...(categoryIds === null ? {} : { [DETECTOR_METADATA.categoryIds]: JSON.stringify(categoryIds) }),
      ...metadata,
    }, names);
  }

  /**
   * Reads parameters from a file as {@link Network.load} does, under the names of torchvision, now or until 0.12, or
   * of detectron2. Class layers keep their values if the file has other classes and `strict` is false.
   *
   * @throws ReviewKdError as {@link Network.load}; `STATE_DICT_MISMATCH` also for another number of classes, and
   * `INVALID_ARGUMENT` for weights whose arithmetic is not the detector's.
   */
  override async load(path: string, options: LoadOptionsInput = {}): Promise<DetectorLoadReport> {
    return atCall(this.#loadAll(path, parse(LoadOptions, options, "load options")));
  }

  async #loadAll(path: string, options: DetectorSource["options"]): Promise<DetectorLoadReport> {
    const whole = withHome(path);
    const file = await readDetectorFile(whole, options.key);
    assertLoadable(whole, file, this, options.strict);
    return this.#load({ path: whole, file, part: "all", options });
  }

  async #load({ path, file, part, options }: DetectorSource): Promise<DetectorLoadReport> {
    const { norm, normEps = 0 } = this.detection;
    const report = await this.native.loadDetector(await weightsFiles(path), { ...options, part });
    if (part === "all" && file.numClasses === this.numClasses) {
      // Ids belong to their names: a file with names alone has no use for earlier ids.
      this.#categoryIds = file.categoryIds ?? (file.classNames === null ? this.#categoryIds : null);
      this.#classNames = file.classNames ?? this.#classNames;
    }
    this.#loadReport = { ...report, names: file.names, flavor: this.flavor,
      normEps: norm === "frozen" ? normEps : null };
    return this.#loadReport;
  }

  /**
   * Finds objects in images of any sizes, in inference mode.
   *
   * @param images - one image or a list, which is one batch: Tensors `[3, H, W]`, RGB from 0 to 1, paths of image files
   * and encoded images. Files are decoded by sharp, an optional peer dependency.
   * @returns for each image its objects, in its own pixels: those of a file as they are stored, unless
   * `exif: "rotate"` turns them upright.
   * @throws ReviewKdError `SHAPE_MISMATCH`, `DTYPE_MISMATCH`, `INVALID_ARGUMENT`, `DISPOSED`; for files
   * `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`, `FILE_UNSUPPORTED`, `DEPENDENCY_MISSING`.
   * @example
   * ```ts
   * const { boxes, scores, labels } = await detector.detect("photo.jpg", { scoreThreshold: 0.5 });
   * ```
   */
  detect(images: ImageInput, options?: DetectOptions): Promise<Detections>;
  detect(images: readonly ImageInput[], options?: DetectOptions): Promise<Detections[]>;
  detect(images: ImageInput | readonly ImageInput[], options?: DetectOptions): Promise<Detections | Detections[]>;
  async detect(images: ImageInput | readonly ImageInput[],
    options: DetectOptions = {}): Promise<Detections | Detections[]> {
    return atCall(detectWith(this.native, images, options));
  }

  /**
   * Finds objects in many image files, one batch after the other while the next is decoded, and yields them in order.
   *
   * @param source - paths of image files and of folders, whose images are taken recursively and sorted by name; hidden
   * ones are left out. {@link listImages} gives the same list.
   * @throws ReviewKdError as {@link Detector.detect}; `ABORTED` once the signal is aborted.
   * @example
   * ```ts
   * for await (const { path, detections } of detector.detectAll("holiday", { scoreThreshold: 0.5 }))
   *   console.log(path, detections.labels.toTypedArray());
   * ```
   */
  detectAll(source: string | readonly string[],
    options?: DetectAllOptions & { readonly onDecodeError?: "fail" | undefined }): AsyncGenerator<DetectedImage, void>;
  detectAll(source: string | readonly string[],
    options?: DetectAllOptions): AsyncGenerator<DetectedImage | SkippedImage, void>;
  detectAll(source: string | readonly string[],
    options: DetectAllOptions = {}): AsyncGenerator<DetectedImage | SkippedImage, void> {
    return loopAtCall(detectAllWith(this.native, source, options));
  }

  /**
   * Writes the detector with its post-processing as an ONNX file: `pixel_values` `[N, 3, H, W]`, RGB from 0 to 1, of
   * one size and any number of images → at most D objects for each, by falling score: `boxes` `[N, D, 4]`, x1 y1 x2 y2
   * in pixels of the input, `scores` `[N, D]`, `labels` `[N, D]`, and `masks` `[N, D, 28, 28]`, probabilities
   * within the boxes. Rows that are no object have a score of 0 and the label -1. Images are not resized.
   *
   * @throws ReviewKdError as {@link Model.exportOnnx}.
   * @example
   * ```ts
   * await detector.exportOnnx("detector.onnx", { imageSize: [480, 640] });
   * ```
   */
  async exportOnnx(path: string, options: ExportOnnxOptions = {}): Promise<OnnxFile> {
    const { name, numClasses, native, classNames, labelNames, categoryIds } = this;
    return atCall(
      exportOnnxWith({ native, name, numClasses, classNames, imageSize: this.#publishedSize(), preprocessing: null,
        parameterCount: () => this.parameterCount(), metadata: {
          ...detectorMetadata(this),
          ...(labelNames.length === 0 ? {} : { labelNames: JSON.stringify(labelNames) }),
          ...(categoryIds === null ? {} : { [DETECTOR_METADATA.categoryIds]: JSON.stringify(categoryIds) }),
        } }, path, options),
    );
  }

  /** A photograph of four by three, resized as images are; as a multiple of the strides, which padding would add. */
  #publishedSize(): readonly [height: number, width: number] {
    const { minSize } = this.detection;
    const short = minSize ?? DETECTOR_SIDE;
    const rounded = (side: number): number => Math.max(1, Math.round(side / LARGEST_STRIDE)) * LARGEST_STRIDE;
    return [rounded(short), rounded((short * 4) / 3)];
  }

  /**
   * Runs the parts of the detector without gradients, as far as the proposals or the scores of anchors.
   *
   * @param images - as for {@link Detector.detect}.
   * @param options - `mode`: `"train"` uses the numbers of proposals of a training.
   */
  async forward(images: readonly Tensor[], options: DetectorForwardOptionsInput = {}): Promise<DetectorOutput> {
    return wrapped(
      await this.native.forwardImages(natives(images), parse(ForwardOptions, options, "forward options")),
    ) as unknown as DetectorOutput;
  }
}
