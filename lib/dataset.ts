import { ReviewKdError } from "./errors.js";
import { addon, type NativeDataset } from "./native.js";
import { BatchOptions, DataSource, type ArraySplit, type BatchOptionsInput, type DataSourceInput, type Normalization } from "./schemas/data.js";
import { Tensor } from "./tensor.js";
import { parse } from "./validation.js";

/** Images and labels of one step. */
export interface Batch {
  /** `[N, 3, H, W]`, float32, normalized. */
  readonly images: Tensor;
  /** `[N]`, int64, class indices from 0. */
  readonly labels: Tensor;
}

/** One half of a data set: its training or its test images, in native memory. */
export class DatasetSplit {
  /** Number of images. */
  readonly size: number;
  /** Channels, height and width in pixels. */
  readonly imageShape: readonly [3, number, number];

  /** @internal */
  constructor(
    /** @internal */ readonly native: NativeDataset,
    /** Which half this is. */
    readonly name: "train" | "test",
    info: { size: number; height: number; width: number },
  ) {
    this.size = info.size;
    this.imageShape = [3, info.height, info.width];
  }

  /**
   * Goes through the images once, in batches that a native thread prepares ahead. Order and augmentation are a pure
   * function of `seed` and `epoch`; both are on by default for training images only.
   *
   * @throws ReviewKdError `INVALID_ARGUMENT`, `DISPOSED`.
   * @example
   * ```ts
   * for await (const { images, labels } of data.train.batches({ batchSize: 128, seed: 1, epoch })) {
   *   await session.step({ images, labels });
   * }
   * ```
   */
  async *batches(options: BatchOptionsInput = {}): AsyncGenerator<Batch, void, void> {
    const { batchSize, seed, epoch, shuffle, augment, dropLast } = parse(BatchOptions, options, "batch options");
    const training = this.name === "train";
    const reader = this.native.batches(this.name, {
      batchSize, seed, epoch, dropLast, shuffle: shuffle ?? training, augment: augment ?? training,
    });
    try {
      for (let batch = await reader.next(); batch !== undefined; batch = await reader.next()) {
        yield { images: Tensor.wrap(batch.images), labels: Tensor.wrap(batch.labels) };
      }
    } finally {
      reader.dispose();
    }
  }
}

/** Training and test images with their labels, in native memory. Made by {@link loadDataset}. */
export class Dataset {
  readonly #native: NativeDataset;
  readonly kind: string;
  readonly numClasses: number;
  /** One name per class; its number where no names are known. */
  readonly classNames: readonly string[];
  readonly normalization: Normalization;
  readonly train: DatasetSplit;
  readonly test: DatasetSplit;

  /** @internal */
  constructor(native: NativeDataset) {
    const info = native.describe();
    this.#native = native;
    this.kind = info.kind;
    this.numClasses = info.numClasses;
    this.classNames = info.classNames;
    this.normalization = info.normalization;
    this.train = new DatasetSplit(native, "train", info.train);
    this.test = new DatasetSplit(native, "test", info.test);
  }

  /** Frees the images once no session reads them any more. Using the data set afterwards is an error with the code `DISPOSED`. */
  dispose(): void {
    this.#native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Brings labels into the one form that the addon takes, and checks what depends on more than one field. */
function nativeSplit(name: string, split: ArraySplit, imageValues: number): { images: ArraySplit["images"]; labels: BigInt64Array } {
  const count = split.labels.length;
  if (split.images.length !== count * imageValues) {
    throw new ReviewKdError(
      "SHAPE_MISMATCH",
      `expected ${count * imageValues} values (${count} images of ${imageValues}) for ${name}.images, got ${split.images.length}`,
    );
  }
  const { labels } = split;
  return { images: split.images, labels: labels instanceof BigInt64Array ? labels : BigInt64Array.from(Array.from(labels), BigInt) };
}

/**
 * Loads a data set into native memory, or draws it.
 *
 * @param source - `{ kind: "synthetic" }`, `{ kind: "cifar10" | "cifar100", root }` or `{ kind: "arrays", … }`.
 * @throws ReviewKdError `INVALID_ARGUMENT`, `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`, `LABEL_OUT_OF_RANGE`, `SHAPE_MISMATCH`.
 * @see Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009), for CIFAR.
 * @example
 * ```ts
 * const data = await loadDataset({ kind: "cifar100", root: "data/cifar-100-binary" });
 * ```
 */
export async function loadDataset(source: DataSourceInput): Promise<Dataset> {
  const parsed = parse(DataSource, source, "data source");
  if (parsed.kind !== "arrays") return new Dataset(await addon().loadDataset(parsed));
  const { numClasses, height, width, classNames } = parsed;
  if (classNames !== undefined && classNames.length !== numClasses) {
    throw new ReviewKdError("INVALID_ARGUMENT", `expected ${numClasses} names for classNames, got ${classNames.length}`);
  }
  const imageValues = 3 * height * width;
  const native = { ...parsed, train: nativeSplit("train", parsed.train, imageValues), test: nativeSplit("test", parsed.test, imageValues) };
  return new Dataset(await addon().loadDataset(native));
}
