import { Dataset } from "../api/dataset.js";
import { DataSource, type ArraySplit, type DataSourceInput, type ImageFolderSource,
  type StreamSource } from "../config/schemas/data.js";
import { parse } from "../config/validation.js";
import { ReviewKdError } from "../errors.js";
import { addon, type NativeDataset } from "../native.js";
import { assertNamePerClass } from "./class-names.js";
import { readIdxFiles } from "./idx-files.js";
import { openImageFolder } from "./image-folder.js";
import { StoredImages } from "./stored-images.js";
import { openStream } from "./stream.js";

function storedDataset(native: NativeDataset): Dataset {
  const { kind, numClasses, classNames, normalization } = native.describe();
  return new Dataset({
    kind,
    numClasses,
    classNames,
    normalization,
    train: new StoredImages(native, "train"),
    test: new StoredImages(native, "test"),
    dispose: () => {
      native.dispose();
    },
  });
}

async function folderDataset(source: ImageFolderSource): Promise<Dataset> {
  const { classNames, train, test, broken } = await openImageFolder(source);
  return new Dataset({
    kind: source.kind,
    numClasses: classNames.length,
    classNames,
    normalization: train.normalization,
    train,
    test,
    brokenImages: broken,
    dispose: () => {
      train.dispose();
      test.dispose();
    },
  });
}

function streamDataset(source: StreamSource): Dataset {
  const { kind, numClasses, classNames } = source;
  const [train, test] = [openStream(source, "train"), openStream(source, "test")];
  return new Dataset({
    kind,
    numClasses,
    normalization: train.normalization,
    train,
    test,
    classNames: classNames ?? Array.from({ length: numClasses }, (_, index) => String(index)),
    dispose: () => {
      train.dispose();
      test.dispose();
    },
  });
}

/** Converts labels to the form that the addon takes, and validates what depends on several fields. */
function nativeSplit(name: string, split: ArraySplit,
  imageValues: number): { images: ArraySplit["images"]; labels: BigInt64Array } {
  const count = split.labels.length;
  if (split.images.length !== count * imageValues) {
    throw new ReviewKdError(
      "SHAPE_MISMATCH",
      `invalid ${name}.images: expected ${count * imageValues} values (${count} images of ${imageValues}), received ${split.images.length}.`,
    );
  }
  const { labels } = split;
  return { images: split.images,
    labels: labels instanceof BigInt64Array ? labels : BigInt64Array.from(Array.from(labels), BigInt) };
}

/**
 * Opens a data set: loads it into native memory, generates it, or lists the images that are read during training.
 *
 * @param source - by `kind`: `"synthetic"`, `"cifar10"` or `"cifar100"` with a `root`, `"idx"` (MNIST, Fashion-MNIST),
 * `"image-folder"` (ImageNet's layout), `"arrays"`, or `"stream"` for images from an iterable.
 * @throws ReviewKdError `INVALID_ARGUMENT`, `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`, `FILE_UNSUPPORTED`,
 * `LABEL_OUT_OF_RANGE`, `SHAPE_MISMATCH`, `DEPENDENCY_MISSING` (image folders require the package sharp).
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
  if ("classNames" in parsed) assertNamePerClass(parsed.classNames, parsed.numClasses);
  switch (parsed.kind) {
    case "image-folder":
      return folderDataset(parsed);
    case "stream":
      return streamDataset(parsed);
    case "idx":
      return storedDataset(await addon().loadDataset({ ...parsed, ...(await readIdxFiles(parsed.root)) }));
    case "arrays": {
      const imageValues = 3 * parsed.height * parsed.width;
      const [train, test] = [nativeSplit("train", parsed.train, imageValues),
        nativeSplit("test", parsed.test, imageValues)];
      return storedDataset(await addon().loadDataset({ ...parsed, train, test }));
    }
    default:
      return storedDataset(await addon().loadDataset(parsed));
  }
}
