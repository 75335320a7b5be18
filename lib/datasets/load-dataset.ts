import { z } from "zod";
import { throwIfAborted } from "../api/abort.js";
import { Dataset, type Batch, type DatasetParts, type DetectionBatch } from "../api/dataset.js";
import { DataSource, type ArraySplit, type DataSourceInput, type DetectionSourceInput, type ImageFolderSource,
  type IdxSource, type LabelledSourceInput, type LoadProgress, SplitName,
  type StreamSource } from "../config/schemas/data.js";
import { assertAttached, bytesOf, isTypedArray } from "../config/typed-arrays.js";
import { assertObject, parse, readValues } from "../config/validation.js";
import { atCall, ReviewKdError } from "../errors.js";
import { addon } from "../native.js";
import type { NativeDataset } from "../native-types.js";
import { boxesDataset, cocoDataset, scenesDataset, vocDataset } from "./detection/open-detection.js";
import { resizedSide } from "../images/center-crop.js";
import { assertNormalized } from "./float-images.js";
import { idxImageSize, readIdxFiles } from "./idx-files.js";
import type { ListingOptions } from "./folder-listing.js";
import { openImageFolder } from "./image-folder.js";
import { StoredImages } from "./stored-images.js";
import { isNative, toNativeLabels } from "./labels.js";
import { openStream } from "./stream.js";
import type { StreamedImages } from "./streamed-images.js";

/** Options of {@link loadDataset}. */
export interface LoadDatasetOptions {
  /** Stops reading annotations; other data sets are not loaded once it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Called a few times a second while annotations are read, which takes longest. */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /**
   * The splits that are needed. Default: both. Of the kinds `"image-folder"`, `"coco"` and `"voc"`, one that is not
   * needed is not read, may be missing, and is empty. If one is, an image folder's root may be its folder itself.
   */
  readonly splits?: readonly SplitName[] | undefined;
  /**
   * Class names of the network that the data are for, in label order. If those of an image folder or of Pascal VOC's
   * annotations are all among them, they are the classes of the data set, so that a split may lack some; otherwise they
   * are not used.
   */
  readonly classNames?: readonly string[] | undefined;
}

/** The part of {@link LoadDatasetOptions} that selects. */
const Selection = z.strictObject({
  splits: z.array(SplitName).min(1).default(["train", "test"]),
  classNames: z.array(z.string()).optional(),
});

function storedDataset(native: NativeDataset, about: Pick<DatasetParts, "resizeSize"> = {}): Dataset {
  const [train, test] = [new StoredImages(native, "train"), new StoredImages(native, "test")];
  return new Dataset({ ...native.describe(), ...about, train, test, dispose: native.dispose.bind(native) });
}

async function folderDataset(source: ImageFolderSource, options: ListingOptions): Promise<Dataset> {
  const { classNames, train, test, broken, notices } = await openImageFolder(source, options);
  return streamedDataset({ kind: source.kind, numClasses: classNames.length, classNames, brokenImages: broken, notices,
    resizeSize: resizedSide(source.imageSize) }, train, test);
}

function streamDataset(source: StreamSource): Dataset {
  const { kind, numClasses, classNames = Array.from({ length: numClasses }, (_, index) => String(index)) } = source;
  return streamedDataset({ kind, numClasses, classNames }, openStream(source, "train"), openStream(source, "test"));
}

function streamedDataset(
  about: Pick<DatasetParts, "kind" | "numClasses" | "classNames" | "brokenImages" | "notices" | "resizeSize">,
  train: StreamedImages,
  test: StreamedImages,
): Dataset {
  return new Dataset({
    ...about,
    normalization: train.normalization,
    train,
    test,
    dispose: () => {
      train.dispose();
      test.dispose();
    },
  });
}

async function idxDataset(source: IdxSource): Promise<Dataset> {
  const files = await readIdxFiles(source.root);
  const native = await addon().loadDataset({ ...source, ...files });
  // Padding adds a border to images in their own size.
  return storedDataset(native, { resizeSize: Math.min(...idxImageSize(files.test.images)) });
}

/** Converts a split to the form that the addon takes, and validates what depends on several fields. */
function nativeSplit(name: string, { images, labels }: ArraySplit, imageValues: number,
  numClasses: number): { images: Uint8Array | Float32Array; labels: BigInt64Array } {
  for (const [field, array] of Object.entries({ images, labels })) {
    if (ArrayBuffer.isView(array)) assertAttached(array, `${name}.${field}`);
  }
  const count = labels.length;
  if (count === 0 && images.length === 0) {
    throw new ReviewKdError("SHAPE_MISMATCH",
      `invalid ${name}: expected at least one image with its label, received none. Fill images and labels first.`);
  }
  if (images.length !== count * imageValues) {
    const whole = images.length / imageValues;
    const held = Number.isInteger(whole) ? `, which are ${whole} images` : "";
    throw new ReviewKdError("SHAPE_MISMATCH",
      `invalid ${name}.images: expected ${count * imageValues} values (${count} images of ${imageValues}, one for each label), received ${images.length}${held}.`);
  }
  return { images: isTypedArray(images, "Float32Array") ? images : bytesOf(images), labels: isNative(labels) ? labels
    : toNativeLabels(labels, `labels of ${name}`, (index) => `${name}.labels[${index}]`, numClasses) };
}

/**
 * Opens a data set: loads it into native memory, generates it, or lists the images that are read during training.
 *
 * @param source - by `kind`: `"synthetic"`, `"cifar10"` or `"cifar100"` with a `root`, `"idx"` (MNIST, Fashion-MNIST),
 * `"image-folder"` (ImageNet's layout), `"arrays"`, or `"stream"` for images from an iterable; with boxes and masks
 * `"coco"`, `"voc"`, `"boxes"` passed from JavaScript, or `"scenes"`, which are drawn.
 * @throws ReviewKdError `INVALID_ARGUMENT`, `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`, `FILE_UNSUPPORTED`,
 * `LABEL_OUT_OF_RANGE`, `SHAPE_MISMATCH`, `DEPENDENCY_MISSING` (image files require the package sharp), `ABORTED`.
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
export function loadDataset(source: DetectionSourceInput,
  options?: LoadDatasetOptions): Promise<Dataset<DetectionBatch>>;
export function loadDataset(source: LabelledSourceInput, options?: LoadDatasetOptions): Promise<Dataset<Batch>>;
export function loadDataset(source: DataSourceInput, options?: LoadDatasetOptions): Promise<Dataset>;
export async function loadDataset(source: DataSourceInput, options: LoadDatasetOptions = {}): Promise<Dataset> {
  return atCall(openDataset(source, options));
}

async function openDataset(source: DataSourceInput, options: LoadDatasetOptions): Promise<Dataset> {
  const parsed = parse(DataSource, source, "data source");
  assertObject(options, "options of loadDataset");
  throwIfAborted(options.signal, "loading the data set");
  const selection = parse(Selection, { splits: options.splits, classNames: options.classNames },
    "options of loadDataset");
  const names = "classNames" in parsed ? parsed.classNames : undefined;
  if (names !== undefined && "numClasses" in parsed && names.length !== parsed.numClasses) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid classNames: expected ${parsed.numClasses} names, received ${names.length}. Pass one name per class.`);
  }
  switch (parsed.kind) {
    case "image-folder":
      return folderDataset(parsed, selection);
    case "stream":
      return streamDataset(parsed);
    case "coco":
      return cocoDataset(parsed, options, selection);
    case "voc":
      return vocDataset(parsed, options, selection);
    case "boxes":
      return boxesDataset(parsed);
    case "scenes":
      return scenesDataset(parsed);
    case "idx":
      return idxDataset(parsed);
    case "arrays": {
      const { numClasses } = parsed;
      assertNormalized("train.images", parsed.train.images, parsed.normalization);
      assertNormalized("test.images", parsed.test.images, parsed.normalization);
      const imageValues = 3 * parsed.height * parsed.width;
      const split = (name: SplitName): ReturnType<typeof nativeSplit> =>
        readValues(() => nativeSplit(name, parsed[name], imageValues, numClasses), `labels of ${name}`);
      const [train, test] = [split("train"), split("test")];
      return storedDataset(await addon().loadDataset({ ...parsed, train, test }));
    }
    default:
      return storedDataset(await addon().loadDataset(parsed));
  }
}
