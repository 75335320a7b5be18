import { refuseOtherCount } from "./data/class-names.js";
import { readIdxFiles } from "./data/idx-files.js";
import { openImageFolder } from "./data/image-folder.js";
import type { SplitImages } from "./data/split-images.js";
import { StoredImages } from "./data/stored-images.js";
import { openStream } from "./data/stream.js";
import { ReviewKdError } from "./errors.js";
import { addon, type NativeDataset } from "./native.js";
import {
  BatchOptions, DataSource, type ArraySplit, type BatchOptionsInput, type DataSourceInput, type ImageFolderSource, type Normalization,
  type StreamSource,
} from "./schemas/data.js";
import type { BrokenImage } from "./schemas/events.js";
import { Tensor } from "./tensor.js";
import { parse } from "./validation.js";

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

function storedDataset(native: NativeDataset): Dataset {
  const { kind, numClasses, classNames, normalization } = native.describe();
  return new Dataset({
    kind, numClasses, classNames, normalization,
    train: new StoredImages(native, "train"),
    test: new StoredImages(native, "test"),
    dispose: () => { native.dispose(); },
  });
}

async function folderDataset(source: ImageFolderSource): Promise<Dataset> {
  const { classNames, train, test, broken } = await openImageFolder(source);
  return new Dataset({
    kind: source.kind, numClasses: classNames.length, classNames, normalization: train.normalization, train, test, brokenImages: broken,
    dispose: () => { train.dispose(); test.dispose(); },
  });
}

function streamDataset(source: StreamSource): Dataset {
  const { kind, numClasses, classNames } = source;
  const [train, test] = [openStream(source, "train"), openStream(source, "test")];
  return new Dataset({
    kind, numClasses, normalization: train.normalization, train, test,
    classNames: classNames ?? Array.from({ length: numClasses }, (_, index) => String(index)),
    dispose: () => { train.dispose(); test.dispose(); },
  });
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
 * Loads a data set into native memory, draws it, or finds the images that are read while a network trains.
 *
 * @param source - by `kind`: `"synthetic"`, `"cifar10"` or `"cifar100"` with a `root`, `"idx"` (MNIST, Fashion-MNIST),
 * `"image-folder"` (ImageNet's layout), `"arrays"`, or `"stream"` for whatever an iterable makes.
 * @throws ReviewKdError `INVALID_ARGUMENT`, `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`, `FILE_UNSUPPORTED`,
 * `LABEL_OUT_OF_RANGE`, `SHAPE_MISMATCH`, `DEPENDENCY_MISSING` (image folders need the package sharp).
 * @see Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009), for CIFAR.
 * @example
 * ```ts
 * const data = await loadDataset({ kind: "cifar100", root: "data/cifar-100-binary" });
 * const photographs = await loadDataset({ kind: "image-folder", root: "data/imagenet", imageSize: 224 });
 * const drawn = await loadDataset({
 *   kind: "stream", numClasses: 10, height: 64, width: 64,
 *   train: { samples: 50_000, items: ({ epoch, firstImage }) => draw(epoch, firstImage) }, // yields { image, label }
 *   test: { samples: 1000, items: testImages },
 * });
 * ```
 */
export async function loadDataset(source: DataSourceInput): Promise<Dataset> {
  const parsed = parse(DataSource, source, "data source");
  if ("classNames" in parsed) refuseOtherCount(parsed.classNames, parsed.numClasses);
  switch (parsed.kind) {
    case "image-folder":
      return folderDataset(parsed);
    case "stream":
      return streamDataset(parsed);
    case "idx":
      return storedDataset(await addon().loadDataset({ ...parsed, ...(await readIdxFiles(parsed.root)) }));
    case "arrays": {
      const imageValues = 3 * parsed.height * parsed.width;
      const [train, test] = [nativeSplit("train", parsed.train, imageValues), nativeSplit("test", parsed.test, imageValues)];
      return storedDataset(await addon().loadDataset({ ...parsed, train, test }));
    }
    default:
      return storedDataset(await addon().loadDataset(parsed));
  }
}
