import { BatchOptions, type BatchOptionsInput, type Normalization } from "../config/schemas/data.js";
import type { BrokenImage } from "../config/schemas/events.js";
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

/** One half of a data set: its training or its test images, in native memory or made while they are needed. */
export class DatasetSplit {
  /** Number of images. */
  readonly size: number;
  /** Channels, height and width in pixels. */
  readonly imageShape: readonly [3, number, number];

  /** @internal */
  constructor(
    /** @internal */ readonly images: SplitImages,
    /** Which half this is. */
    readonly name: "train" | "test",
    /** As those of the whole data set. */
    readonly classNames: readonly string[],
  ) {
    this.size = images.size;
    this.imageShape = [3, images.height, images.width];
  }

  /**
   * Goes through the images once, in batches that are prepared ahead. Order and augmentation are a pure function of `seed`
   * and `epoch`; both are on by default for training images only.
   *
   * @throws ReviewKdError `INVALID_ARGUMENT`, `DISPOSED`, and what the iterable or the decoder of a streamed data set throws.
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
    for await (const batch of this.images.batches({ ...rest, shuffle: shuffle ?? training, augment: augment ?? training })) {
      yield { images: Tensor.wrap(batch.images), labels: Tensor.wrap(batch.labels) };
    }
  }
}

/** What a {@link Dataset} is made of. */
interface DatasetParts {
  readonly kind: string;
  readonly numClasses: number;
  readonly classNames: readonly string[];
  readonly normalization: Normalization;
  readonly train: SplitImages;
  readonly test: SplitImages;
  readonly brokenImages?: readonly BrokenImage[];
  readonly dispose: () => void;
}

/** Training and test images with their labels. Made by {@link loadDataset}. */
export class Dataset {
  readonly kind: string;
  readonly numClasses: number;
  /** One name per class, in the order of the labels; its number where no names are known. */
  readonly classNames: readonly string[];
  readonly normalization: Normalization;
  readonly train: DatasetSplit;
  readonly test: DatasetSplit;
  /** Files of an image folder that could not be decoded so far, each once; grows as they are met. */
  readonly brokenImages: readonly BrokenImage[];
  readonly #dispose: () => void;

  /** @internal */
  constructor(parts: DatasetParts) {
    this.kind = parts.kind;
    this.numClasses = parts.numClasses;
    this.classNames = parts.classNames;
    this.normalization = parts.normalization;
    this.train = new DatasetSplit(parts.train, "train", parts.classNames);
    this.test = new DatasetSplit(parts.test, "test", parts.classNames);
    this.brokenImages = parts.brokenImages ?? [];
    this.#dispose = parts.dispose;
  }

  /** Frees the images once no session reads them any more. Using the data set afterwards is an error with the code `DISPOSED`. */
  dispose(): void {
    this.#dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
