import { z } from "zod";
import { addon } from "../native.js";
import { DetectorOptions, detectorSwitches, OneStageOptions, type Size, TwoStageOptions, type DetectorOptionsInput,
  type Flavor } from "../config/schemas/detection.js";
import { parse } from "../config/validation.js";
import { detectAllWith, detectWith, type DetectAllOptions, type DetectedImage, type DetectOptions, type ImageInput,
  type SkippedImage } from "./detect.js";
import { natives, wrapped } from "./functional/call.js";
import { Network } from "./network.js";
import type { Tensor } from "./tensor.js";

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

const ForwardOptions = z.strictObject({ mode: z.enum(["eval", "train"]).default("eval") });

/**
 * Faster R-CNN, Mask R-CNN or RetinaNet over a backbone of the zoo with a feature pyramid. Created by
 * {@link createDetector}.
 */
export class Detector extends Network {
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
  detect(image: ImageInput, options?: DetectOptions): Promise<Detections>;
  detect(images: readonly ImageInput[], options?: DetectOptions): Promise<Detections[]>;
  detect(images: ImageInput | readonly ImageInput[], options?: DetectOptions): Promise<Detections | Detections[]>;
  async detect(images: ImageInput | readonly ImageInput[],
    options: DetectOptions = {}): Promise<Detections | Detections[]> {
    return detectWith(this.native, images, options);
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
    return detectAllWith(this.native, source, options);
  }

  /**
   * Runs the parts of the detector without gradients, as far as the proposals or the scores of anchors.
   *
   * @param images - as for {@link Detector.detect}.
   * @param options - `mode`: `"train"` uses the numbers of proposals of a training.
   */
  async forward(images: readonly Tensor[], options: z.input<typeof ForwardOptions> = {}): Promise<DetectorOutput> {
    return wrapped(
      await this.native.forwardImages(natives(images), parse(ForwardOptions, options, "forward options")),
    ) as unknown as DetectorOutput;
  }
}

/** The switches of a detector's kind with a flavor's defaults. */
function switchesOf(name: string, flavor: Flavor, detection: unknown, hasWeights: boolean, numClasses: number): object {
  const isOneStage = name.startsWith("retinanet-");
  const schema = isOneStage ? OneStageOptions : TwoStageOptions;
  const options = parse(schema, detection ?? {}, "detection options");
  // Random values never learn behind frozen norms.
  const trained = hasWeights ? { norm: "frozen", trainableLayers: 3 } : { norm: "batch", trainableLayers: 5 };
  return { ...detectorSwitches(isOneStage ? "one-stage" : "two-stage", flavor, trained, options), numClasses };
}

/**
 * Creates a detector with its published initialisation.
 *
 * @param name - `faster-rcnn-BACKBONE-fpn`, `mask-rcnn-BACKBONE-fpn` or `retinanet-BACKBONE-fpn` with a network for
 * ImageNet, for example `"faster-rcnn-resnet18-fpn"`.
 * @throws ReviewKdError `UNKNOWN_NAME` (with the list of names), `INVALID_ARGUMENT`, `CUDA_UNAVAILABLE`, and what
 * {@link Network.load} throws if weights are given.
 * @example
 * ```ts
 * const detector = await createDetector("faster-rcnn-resnet18-fpn", { numClasses: 81 });
 * ```
 */
export async function createDetector(name: string, options: DetectorOptionsInput = {}): Promise<Detector> {
  const { weights, backboneWeights, detection, flavor, numClasses, ...rest } = parse(DetectorOptions, options,
    "detector options");
  const parsedName = parse(z.string(), name, "detector name");
  const hasWeights = weights !== undefined || backboneWeights !== undefined;
  const detector = new Detector(
    await addon().createDetector({ ...rest, name: parsedName,
      detection: switchesOf(parsedName, flavor, detection, hasWeights, numClasses) }),
  );
  try {
    if (weights !== undefined) await detector.load(weights);
  } catch (error) {
    detector.dispose();
    throw error;
  }
  return detector;
}
