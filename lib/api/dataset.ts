import { BatchOptions, type BatchOptionsInput, type DataNotice, DetectionBatchOptions, type DetectionBatchOptionsInput,
  type Normalization, type Preprocessing } from "../config/schemas/data.js";
import type { BrokenImage } from "../config/schemas/fit-event.js";
import { assertObject, parse, valueText } from "../config/validation.js";
import { ReviewKdError } from "../errors.js";
import type { TensorTree } from "../native-types.js";
import { wrapped } from "./functional/call.js";
import { CLASS_NAME, isForeign, ONE_COPY, receivedText } from "./native-object.js";
import type { SplitImages } from "./split-images.js";
import { nativeTensor, type Tensor } from "./tensor.js";

/** Images and labels of one step. */
export interface Batch {
  /** `[N, 3, H, W]`, float32, normalized. */
  readonly images: Tensor;
  /** `[N]`, int64, class indices from 0. */
  readonly labels: Tensor;
}

/** The objects of one image. */
export interface ObjectTargets {
  /** `[K, 4]`, x1 y1 x2 y2 in pixels of the image, which each box overlaps, with x1 < x2 and y1 < y2. */
  readonly boxes: Tensor;
  /** `[K]`, int64; from 1 for two-stage detectors, from 0 for RetinaNet. */
  readonly labels: Tensor;
  /** `[K, H, W]`, uint8, 0 or 1; for Mask R-CNN. */
  readonly masks?: Tensor;
}

/** Images of any sizes, with their objects. */
export interface DetectionBatch {
  /** `[3, H, W]` each, RGB from 0 to 1. */
  readonly images: readonly Tensor[];
  readonly targets: readonly ObjectTargets[];
}

/** A batch of a classifier or of a detector: distinguished by `"labels" in batch`. */
export type AnyBatch = Batch | DetectionBatch;

/** Options of {@link DatasetSplit.batches} by the kind of batches. */
type BatchOptionsFor<Of extends AnyBatch> = Of extends DetectionBatch ? DetectionBatchOptionsInput : BatchOptionsInput;

/** One split of a data set: its training or test images, stored in native memory or produced on demand. */
export class DatasetSplit<Of extends AnyBatch = AnyBatch> {
  /** Number of images. */
  readonly size: number;
  /** Channels, height and width in pixels; of images with boxes the largest ones. */
  readonly imageShape: readonly [3, number, number];

  /** @internal */
  constructor(
    /** @internal */ readonly images: SplitImages,
    /** Name of the split. */
    readonly name: "train" | "test",
    /** The class names of the data set. */
    readonly classNames: readonly string[],
  ) {
    assertObject(images, "images of a DatasetSplit");
    this.size = images.size;
    this.imageShape = [3, images.height, images.width];
  }

  /** @internal */
  get [CLASS_NAME](): string {
    return "DatasetSplit";
  }

  /**
   * Iterates over the images once, in prefetched batches, as `Session.step` takes them. Order and augmentation are a
   * pure function of `seed` and `epoch`; by default only training images are shuffled and augmented.
   *
   * Data with boxes give `{ images, targets }`: images in their own size, which the detector resizes, and their objects
   * without crowds. `trainSizes` of the data set apply in `trainEpoch` alone, because they depend on the detector.
   *
   * @throws ReviewKdError `INVALID_ARGUMENT`, `DISPOSED`, and errors from the iterable or decoder of a streamed data
   * set.
   * @example
   * ```ts
   * for await (const { images, labels } of data.train.batches({ batchSize: 128, seed: 1, epoch })) {
   *   await session.step({ images, labels });
   * }
   * for await (const { images, targets } of scenes.train.batches({ batchSize: 8, seed: 1, epoch })) {
   *   await detectorSession.step({ images, targets });
   * }
   * ```
   */
  async *batches(options: BatchOptionsFor<Of> = {}): AsyncGenerator<Of, void, void> {
    const { images, name } = this;
    const schema = images.content === "labels" ? BatchOptions : DetectionBatchOptions;
    const { shuffle, augment, ...rest } = parse(schema, options, "batch options");
    const { batchSize, share } = rest;
    if (share !== undefined && batchSize < share.size) {
      throw new ReviewKdError("INVALID_ARGUMENT",
        `invalid batchSize in batch options: expected ${share.size} or more, an image for each process of \`share\`, received ${batchSize}. Use larger batches.`);
    }
    const training = name === "train";
    const plan = { ...rest, shuffle: shuffle ?? training, augment: augment ?? training };
    for await (const batch of images.batches(plan)) yield wrapped(batch as unknown as TensorTree) as unknown as Of;
  }
}

/** The parts of a {@link Dataset}. */
export interface DatasetParts {
  readonly kind: string;
  readonly numClasses: number;
  readonly classNames: readonly string[];
  readonly categoryIds?: readonly number[];
  readonly normalization: Normalization;
  /** The short side of images before their center is cut out. Default: they are used in their size. */
  readonly resizeSize?: number;
  readonly train: SplitImages;
  readonly test: SplitImages;
  readonly brokenImages?: readonly BrokenImage[];
  readonly notices?: readonly DataNotice[];
  readonly dispose: () => void;
}

/** Training and test images with their labels or objects. Created by {@link loadDataset}. */
export class Dataset<Of extends AnyBatch = AnyBatch> {
  readonly kind: string;
  readonly numClasses: number;
  /** One name per class, in label order; the class index if no names are known. */
  readonly classNames: readonly string[];
  /** The id of each class in the annotations of data with boxes, in the order of the classes; `null` for other data. */
  readonly categoryIds: readonly number[] | null;
  readonly normalization: Normalization;
  /** How the test images become the input of a classifier; `null` for data with boxes. */
  readonly preprocessing: Preprocessing | null;
  readonly train: DatasetSplit<Of>;
  readonly test: DatasetSplit<Of>;
  /** Image files that could not be decoded so far, each listed once; grows during iteration. */
  readonly brokenImages: readonly BrokenImage[];
  /** Files that were skipped where images were searched, and possible mistakes: one notice of each kind. */
  readonly notices: readonly DataNotice[];
  readonly #dispose: () => void;

  /** @internal */
  constructor(parts: DatasetParts) {
    assertObject(parts, "parts of a Dataset");
    ({ kind: this.kind, numClasses: this.numClasses, classNames: this.classNames, categoryIds: this.categoryIds = null,
      normalization: this.normalization, brokenImages: this.brokenImages = [], notices: this.notices = [],
      dispose: this.#dispose } = parts);
    const { height, width, content } = parts.test;
    this.preprocessing = content !== "labels" ? null
      : { imageSize: [height, width], resizeSize: parts.resizeSize ?? Math.min(height, width),
        normalization: parts.normalization };
    this.train = new DatasetSplit(parts.train, "train", parts.classNames);
    this.test = new DatasetSplit(parts.test, "test", parts.classNames);
  }

  /** @internal */
  get [CLASS_NAME](): string {
    return "Dataset";
  }

  /** Frees the images once no session reads them. Using the data set afterwards throws `DISPOSED`. */
  dispose(): void {
    this.#dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @internal @throws ReviewKdError `INVALID_ARGUMENT` unless a value is the result of `loadDataset`. */
export function assertDataset(data: unknown): asserts data is Dataset {
  if (data instanceof Dataset) return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid data: expected the result of loadDataset, received ${receivedText(data, "Dataset")}.${isForeign(data, "Dataset") ? ` ${ONE_COPY}` : ""}`);
}

/** @internal @throws ReviewKdError `INVALID_ARGUMENT` unless a value is a split of such a result. */
export function assertSplit(data: unknown): asserts data is DatasetSplit {
  if (data instanceof DatasetSplit) return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid data: expected a split of a data set, received ${receivedText(data, "DatasetSplit")}. ${isForeign(data, "DatasetSplit") ? ONE_COPY : "Pass `data.test` or `data.train` of the result of loadDataset."}`);
}

/**
 * The batches of one step as native code takes them, which checks shapes and values.
 *
 * @param kind - Whether the batches are of a classifier, with labels, or of a detector, with targets.
 * @internal
 * @throws ReviewKdError `INVALID_ARGUMENT` for a part of another class.
 */
export function nativeBatches(given: AnyBatch | readonly AnyBatch[], kind: "labels" | "targets"): TensorTree[] {
  const isOne = !Array.isArray(given);
  const batches: readonly unknown[] = isOne ? [given] : Array.from(given);
  return batches.map((batch, index) => {
    if (typeof batch !== "object" || batch === null || !("images" in batch)) {
      throw new ReviewKdError("INVALID_ARGUMENT",
        `invalid batches[${index}]: expected an object with images and labels or targets, received ${valueText(batch)}.`);
    }
    const parts = batch as Readonly<Record<string, unknown>>;
    const where = isOne ? "" : ` of batches[${index}]`;
    return kind === "labels" ? labelledBatch(parts, where) : detectionBatch(parts, where);
  });
}

function labelledBatch({ images, labels }: Readonly<Record<string, unknown>>, where: string): TensorTree {
  return { images: nativeTensor(images, `images${where}`), labels: nativeTensor(labels, `labels${where}`) };
}

function detectionBatch({ images, targets }: Readonly<Record<string, unknown>>, where: string): TensorTree {
  return {
    images: listOf(images, `images${where}`, "Tensors").map((image, index) =>
      nativeTensor(image, `images[${index}]${where}`)
    ),
    targets: listOf(targets, `targets${where}`, "objects with boxes and labels").map((target, index) => {
      const place = `targets[${index}]${where}`;
      if (typeof target !== "object" || target === null) {
        throw new ReviewKdError("INVALID_ARGUMENT",
          `invalid ${place}: expected an object with boxes and labels, received ${valueText(target)}.`);
      }
      const { boxes, labels, masks } = target as Readonly<Record<string, unknown>>;
      return { boxes: nativeTensor(boxes, `boxes of ${place}`), labels: nativeTensor(labels, `labels of ${place}`),
        ...(masks === undefined || masks === null ? {} : { masks: nativeTensor(masks, `masks of ${place}`) }) };
    }),
  };
}

/** The elements, of which those that a sparse list lacks are undefined. */
function listOf(value: unknown, what: string, elements: string): unknown[] {
  if (Array.isArray(value)) return Array.from(value);
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid ${what}: expected an array of ${elements}, received ${valueText(value)}.`);
}
