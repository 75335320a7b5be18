import { BatchOptions, type BatchOptionsInput, type Normalization } from "../config/schemas/data.js";
import type { BrokenImage } from "../config/schemas/fit-event.js";
import { parse } from "../config/validation.js";
import type { SplitImages } from "./split-images.js";
import { Tensor } from "./tensor.js";

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

/** One split of a data set: its training or test images, stored in native memory or produced on demand. */
export class DatasetSplit {
  /** Number of images. */
  readonly size: number;
  /** Channels, height and width in pixels. */
  readonly imageShape: readonly [3, number, number];

  /** @internal */
  constructor(
    /** @internal */ readonly images: SplitImages,
    /** Name of the split. */
    readonly name: "train" | "test",
    /** The class names of the data set. */
    readonly classNames: readonly string[],
  ) {
    this.size = images.size;
    this.imageShape = [3, images.height, images.width];
  }

  /**
   * Iterates over the images once, in prefetched batches. Order and augmentation are a pure function of `seed` and
   * `epoch`; by default only training images are shuffled and augmented.
   *
   * @throws ReviewKdError `INVALID_ARGUMENT`, `DISPOSED`, and errors from the iterable or decoder of a streamed data
   * set.
   * @example
   * ```ts
   * for await (const { images, labels } of data.train.batches({ batchSize: 128, seed: 1, epoch })) {
   *   await session.step({ images, labels });
   * }
   * ```
   */
  async *batches(options: BatchOptionsInput = {}): AsyncGenerator<Batch, void, void> {
    const { shuffle, augment, ...rest } = parse(BatchOptions, options, "batch options");
    const training = this.name === "train";
    for await (const batch of this.images.batches({ ...rest, shuffle: shuffle ?? training,
      augment: augment ?? training })) {
      yield { images: Tensor.wrap(batch.images), labels: Tensor.wrap(batch.labels) };
    }
  }
}

/** The parts of a {@link Dataset}. */
export interface DatasetParts {
  readonly kind: string;
  readonly numClasses: number;
  readonly classNames: readonly string[];
  readonly normalization: Normalization;
  readonly train: SplitImages;
  readonly test: SplitImages;
  readonly brokenImages?: readonly BrokenImage[];
  readonly dispose: () => void;
}

/** Training and test images with their labels. Created by {@link loadDataset}. */
export class Dataset {
  readonly kind: string;
  readonly numClasses: number;
  /** One name per class, in label order; the class index if no names are known. */
  readonly classNames: readonly string[];
  readonly normalization: Normalization;
  readonly train: DatasetSplit;
  readonly test: DatasetSplit;
  /** Image folder files that could not be decoded so far, each listed once; grows during iteration. */
  readonly brokenImages: readonly BrokenImage[];
  readonly #dispose: () => void;

  /** @internal */
  constructor(parts: DatasetParts) {
    ({ kind: this.kind, numClasses: this.numClasses, classNames: this.classNames, normalization: this.normalization,
      brokenImages: this.brokenImages = [], dispose: this.#dispose } = parts);
    this.train = new DatasetSplit(parts.train, "train", parts.classNames);
    this.test = new DatasetSplit(parts.test, "test", parts.classNames);
  }

  /** Frees the images once no session reads them. Using the data set afterwards throws `DISPOSED`. */
  dispose(): void {
    this.#dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
