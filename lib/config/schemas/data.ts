import { z } from "zod";
import { FilePath, filePath } from "../file-path.js";
import { ClassNames, Count, ImageSide, PositiveCount, PositiveNumber, RESUMABLE, Seed } from "./common.js";
import { BoxesSource, CocoSource, ScenesSource, VocSource } from "./detection/data.js";
import { StreamSplit } from "./stream.js";
import { typedArray, typedArrayName } from "../typed-arrays.js";

/** A value for each of red, green and blue. */
const perChannel = (value: z.ZodNumber) => z.tuple([value, value, value]).describe("an array of exactly 3 numbers");

/** Per-channel statistics of pixel values / 255; images become (pixel / 255 - mean) / std. */
export const Normalization = z.strictObject({ mean: perChannel(z.number()), std: perChannel(PositiveNumber) });
export interface Normalization extends z.infer<typeof Normalization> {}

/** How an image file becomes the input of a classifier: resized, its center cut out, then normalized. */
export const Preprocessing = z.strictObject({
  /** Height and width of the network's input in pixels. */
  imageSize: z.tuple([PositiveCount, PositiveCount]).readonly(),
  /**
   * The short side to which files are resized before the crop, in pixels: 256 for torchvision's 224. If it is less than
   * `imageSize`, black surrounds the image. Of an input that is no square, its own short side before the crop.
   */
  resizeSize: PositiveCount,
  normalization: Normalization,
});
export interface Preprocessing extends z.infer<typeof Preprocessing> {}

/** Means and deviations of values from 0 to 1 are far below; those of bytes are above. */
const LARGEST_STATISTIC = 4;
const OF_PIXELS = "of pixels divided by 255";
/** The mean of a channel, as weights record it. */
export const ChannelMean = z.number().min(-LARGEST_STATISTIC).max(LARGEST_STATISTIC)
  .describe(`a mean from -${LARGEST_STATISTIC} to ${LARGEST_STATISTIC} (${OF_PIXELS})`);
/** The standard deviation of a channel, as weights record it. */
export const ChannelStd = PositiveNumber.max(LARGEST_STATISTIC)
  .describe(`a standard deviation above 0 and up to ${LARGEST_STATISTIC} (${OF_PIXELS})`);
/** Upper bound of the sides in pixels that a weights file can demand. */
export const LARGEST_RECORDED_SIDE = 8192;
const isBounded = (sides: readonly number[]): boolean => sides.every((side) => side <= LARGEST_RECORDED_SIDE);
const SIDES = `at most ${LARGEST_RECORDED_SIDE} pixels`;

/** A network's input as its weights record it: within bounds that no published network exceeds. */
export const RecordedPreprocessing = z.strictObject({
  imageSize: Preprocessing.shape.imageSize.refine(isBounded, SIDES),
  /** The short side to which files are resized before their center is cut out, in pixels. */
  resizeSize: Preprocessing.shape.resizeSize.refine((side) => isBounded([side]), SIDES),
  /** Mean and standard deviation that normalize values from 0 to 1. */
  normalization: z.strictObject({
    /** By channel: red, green, blue. */
    mean: perChannel(ChannelMean),
    /** By channel: red, green, blue. */
    std: perChannel(ChannelStd),
  }),
});

const shared = {
  /** Use only the first N training images. */
  limitTrain: PositiveCount.optional(),
  /** Use only the first N test images. */
  limitTest: PositiveCount.optional(),
  /** Overrides the data set's own statistics. */
  normalization: Normalization.optional(),
};

/** The content of a stored data set's directory, and how to obtain it. */
export interface DataDirectory {
  readonly content: string;
  readonly remedy: string;
}

/** Metadata of a source that is read from its `root`; the command line then accepts it as `kind:DIR`. */
const directory = (content: string, remedy: string): { readonly directory: DataDirectory } => ({
  directory: { content, remedy },
});

const cifar = <Kind extends "cifar10" | "cifar100", Shape extends z.core.$ZodLooseShape>(kind: Kind, own: Shape) =>
  z.strictObject({
    kind: z.literal(kind),
    ...own,
    /** Directory of the binary version's `.bin` files. */
    root: filePath("the directory of the data set's .bin files (`reviewkd data fetch` downloads them)"),
    ...shared,
  }).meta(directory("its .bin files", `Download them with \`reviewkd data fetch ${kind}\`.`));

/** CIFAR-10 in its published binary layout: `data_batch_1.bin` … `data_batch_5.bin`, `test_batch.bin`. */
export const Cifar10 = cifar("cifar10", {});

/** CIFAR-100 in its published binary layout: `train.bin`, `test.bin`. */
export const Cifar100 = cifar("cifar100", {
  /** `"fine"` (default): 100 classes; `"coarse"`: their 20 superclasses. */
  labels: z.enum(["fine", "coarse"]).optional()
    // As the configurations of runs had it before there was a choice.
    .transform((labels) => (labels === "coarse" ? labels : undefined)),
});

/** Generated images, deterministic in the seed: classes of shapes and textures at 32×32 pixels. */
export const Synthetic = z.strictObject({
  kind: z.literal("synthetic"),
  /** Number of classes. */
  numClasses: z.int().min(2).max(20).default(20),
  /** Number of training images. */
  trainSamples: PositiveCount.default(4000),
  /** Number of test images. */
  testSamples: PositiveCount.default(2000),
  /** Seeds the images. */
  seed: Seed.default(0),
  ...shared,
});

/** Two numbers in ascending order. */
const range = (schema: z.ZodNumber, expected: string) =>
  z.tuple([schema, schema]).refine(([low, high]) => low <= high, expected).describe(expected);

/**
 * Folders in ImageNet's layout: `root/{train,val}/<class>/*.jpg` (or `test` for `val`), decoded by the package `sharp`
 * during training. Training images: random resized crop and flip; test images: short side 256/224 · imageSize, center
 * crop.
 */
export const ImageFolder = z.strictObject({
  kind: z.literal("image-folder"),
  /** The directory with `train` and `val`. */
  root: filePath("a directory with train/CLASS/*.jpg and val/CLASS/*.jpg"),
  /** Height and width of the network input in pixels. */
  imageSize: ImageSide.default(224),
  /** Range of the random crops: fraction of the image's area, and ratio of width to height. */
  scale: range(z.number().positive().max(1), "two numbers above 0 and up to 1, the smaller one first").default([0.08,
    1]),
  /** Range of the crops' ratios of width to height. */
  ratio: range(PositiveNumber, "two numbers above 0, the smaller one first").default([3 / 4, 4 / 3]),
  /** Images decoded at a time. Default: number of cores. At most UV_THREADPOOL_SIZE or 4, Node's thread pool. */
  numWorkers: PositiveCount.optional().meta(RESUMABLE),
  /**
   * Handling of a file that cannot be decoded: `"fail"` stops the training and names the file, like torchvision, so
   * that missing data is noticed; `"skip"` reports and counts it, and continues with another image.
   */
  onDecodeError: z.enum(["fail", "skip"]).default("fail"),
  ...shared,
}).meta(directory("train/CLASS/*.jpg and val/CLASS/*.jpg", "Arrange the images in this layout."));
export interface ImageFolderSource extends z.infer<typeof ImageFolder> {}

/** One name per class, in label order. */
const classNames = ClassNames.optional();

/** MNIST, Fashion-MNIST and others with the same files, optionally compressed: `train-images-idx3-ubyte` etc. */
export const Idx = z.strictObject({
  kind: z.literal("idx"),
  /** The directory of the four files. */
  root: filePath("the directory of train-images-idx3-ubyte, train-labels-idx1-ubyte and the two t10k files (or .gz)"),
  /** Number of classes. */
  numClasses: z.int().min(2).max(256).default(10),
  /** Default: the class indices. */
  classNames,
  /** Pad the images with black to this height and width, such as 32 for networks for CIFAR. Default: no padding. */
  padTo: PositiveCount.optional(),
  ...shared,
}).meta(directory("train-images-idx3-ubyte and the other three files of MNIST", "Download them, compressed or not."));
export interface IdxSource extends z.infer<typeof Idx> {}

/** Elements are checked where labels are converted: there may be millions. */
const LabelList = z.custom<ArrayLike<number | bigint>>(
  (value) => Array.isArray(value) || typedArrayName(value) !== undefined,
  { error: "an array or typed array of class indices" },
);

/** One split as typed arrays. */
export const ArraySplit = z.strictObject({
  /** Pixels, `[count, 3, height, width]`, row-major: bytes 0–255, or finite floats that are used unchanged. */
  images: typedArray("Uint8Array", "Uint8ClampedArray", "Float32Array"),
  /** One class index per image, from 0: numbers, or any typed array of whole numbers. */
  labels: LabelList,
});
export interface ArraySplit extends z.infer<typeof ArraySplit> {}

/** Height or width of images as they are; the number of an image's values is exact for any. */
const StoredSide = PositiveCount.max(2 ** 24);

/** Images and labels as typed arrays. Both splits have the same image size and pixel type. */
export const Arrays = z.strictObject({
  kind: z.literal("arrays"),
  /** Number of classes. */
  numClasses: z.int().min(2),
  /** Of the images, in pixels. */
  height: StoredSide,
  /** Of the images, in pixels. */
  width: StoredSide,
  /** The training images. */
  train: ArraySplit,
  /** The test images. */
  test: ArraySplit,
  classNames,
  ...shared,
});

/**
 * Images from an iterable, produced while the trainer uses earlier ones: decoded, generated or received in any way. The
 * iterable runs at most three batches ahead of the trainer. Bytes are normalized, by default with ImageNet's
 * statistics.
 */
export const Stream = z.strictObject({
  kind: z.literal("stream"),
  /** Number of classes. */
  numClasses: z.int().min(2),
  /** Of the images, in pixels. */
  height: StoredSide,
  /** Of the images, in pixels. */
  width: StoredSide,
  /** Order of an image's values: `[3, height, width]` or `[height, width, 3]`. */
  layout: z.enum(["chw", "hwc"]).default("chw"),
  /** The training images. */
  train: StreamSplit,
  /** The test images. */
  test: StreamSplit,
  classNames,
  ...shared,
});
export interface StreamSource extends z.infer<typeof Stream> {}

/** The sources that need nothing but what a configuration file or command line can contain. */
const STORED = [Synthetic, Cifar10, Cifar100, ImageFolder, Idx, CocoSource, VocSource, ScenesSource] as const;

/** Source of training and test images. */
export const DataSource = z.discriminatedUnion("kind", [...STORED, Arrays, Stream, BoxesSource]);
export type DataSource = z.infer<typeof DataSource>;
export type DataSourceInput = z.input<typeof DataSource>;

/** The sources of images with boxes. */
export const DetectionSource = z.discriminatedUnion("kind", [CocoSource, VocSource, ScenesSource, BoxesSource]);
export type DetectionSourceInput = z.input<typeof DetectionSource>;

/** The sources of images with a label each. */
export type LabelledSourceInput = Exclude<DataSourceInput, DetectionSourceInput>;

/** Whether data of this kind are images with boxes. */
export function hasBoxes(kind: string): boolean {
  return DetectionSource.options.some(({ shape }) => shape.kind.value === kind);
}

/** Data sources that a configuration file or command line can specify. */
export const StoredDataSource = z.discriminatedUnion("kind", STORED);
export type StoredDataSource = z.infer<typeof StoredDataSource>;
export type StoredDataSourceInput = z.input<typeof StoredDataSource>;

/** The stored data sets that are read from a directory, by kind. */
export const DATA_DIRECTORIES: ReadonlyMap<StoredDataSource["kind"], DataDirectory> = new Map(
  STORED.flatMap((schema) => {
    const found = schema.meta()?.["directory"] as DataDirectory | undefined;
    return found === undefined ? [] : [[schema.shape.kind.value, found] as const];
  }),
);

/** This process among several that train together. */
const BatchShare = z.object({
  /** Of this process, from 0. */
  rank: Count,
  /** Number of processes. */
  size: PositiveCount,
})
  .refine(({ rank, size }) => rank < size, { error: "a rank below the number of processes", path: ["rank"] });

/** One pass over a split in batches. */
export const BatchOptions = z.strictObject({
  /** Images in a batch. */
  batchSize: PositiveCount.default(128),
  /** Order and augmentation are a pure function of seed, epoch and position. */
  seed: Seed.default(0),
  /** Epoch from 0. */
  epoch: Count.default(0),
  /** Random order. Default: on for the training split. */
  shuffle: z.boolean().optional(),
  /** Pad by 4, crop and flip; image folders: random resized crop and flip. Default: on for the training split. */
  augment: z.boolean().optional(),
  /** Drop an incomplete last batch. */
  dropLast: z.boolean().default(false),
  /** Index of the first batch, to resume within an epoch. */
  firstBatch: Count.default(0),
  /**
   * The part of each batch that this process reads of several that train together: its rank, and their number. A
   * {@link ProcessGroup} is one. All of them have as many batches: a last one with fewer images than processes is left
   * out, and `batchSize` is at least their number. Default: all images.
   */
  share: BatchShare.optional(),
});
export interface BatchOptions extends z.infer<typeof BatchOptions> {}
export interface BatchOptionsInput extends z.input<typeof BatchOptions> {}

/** One pass over a split with boxes, in batches. */
export const DetectionBatchOptions = BatchOptions.extend({
  /** Images in a batch. */
  batchSize: PositiveCount.default(8),
  /** Mirror half of the images, unless the data set has `flip: false`. Default: on for the training split. */
  augment: z.boolean().optional(),
  /**
   * Labels of the classes: from 1 for Faster R-CNN and Mask R-CNN, whose class 0 is the background; from 0 for
   * RetinaNet; or the categories' ids, for a detector of as many classes as they count to, such as COCO's 91.
   */
  labels: z.enum(["from-1", "from-0", "category-ids"]).default("from-1"),
  /** With masks; an object without an outline gets its box. Default: if the data set has masks. */
  masks: z.boolean().optional(),
});
export interface DetectionBatchOptions extends z.infer<typeof DetectionBatchOptions> {}
export interface DetectionBatchOptionsInput extends z.input<typeof DetectionBatchOptions> {}

/** The reading of a data set: how much of a file, or of a list of files, is done. */
export const LoadProgress = z.strictObject({
  /** The file that is read, or the list of the files that are. */
  path: z.string(),
  unit: z.enum(["bytes", "files"]),
  done: Count,
  total: Count,
});
export interface LoadProgress extends z.infer<typeof LoadProgress> {}

/**
 * Findings about the files of an image folder: those that were skipped (`"hidden"` files, files that are
 * `"not-image"`, a `"broken-link"`, a `"repeated-link"` to what the class already has, a `"special-file"` such as a
 * pipe, what is `"unreadable"`, an `"invalid-name"` that is no UTF-8, images `"outside-class"` folders, an
 * `"unused-folder"` next to those of the splits), and what may be a mistake: an `"image-named-folder"`, whose images
 * count; a `"missing-class"` without test images; what is `"shared-by-classes"` or `"shared-by-splits"` through links;
 * `"similar-classes"`, whose names differ in case alone.
 */
export const DataNoticeKind = z.enum(["hidden", "not-image", "image-named-folder", "broken-link", "repeated-link",
  "special-file", "unreadable", "invalid-name", "outside-class", "unused-folder", "missing-class", "shared-by-classes",
  "shared-by-splits", "similar-classes", "other-classes"]);
export type DataNoticeKind = z.infer<typeof DataNoticeKind>;

/** One kind of notice about a data set: how often, the first path or class, and both in words. */
export const DataNotice = z.strictObject({ kind: DataNoticeKind, count: PositiveCount, example: z.string(),
  text: z.string() });
export interface DataNotice extends z.infer<typeof DataNotice> {}

/** The splits of a data set. */
export const SplitName = z.enum(["train", "test"]);
export type SplitName = z.infer<typeof SplitName>;

/** Data sets that can be downloaded from their home page. */
export const FetchKind = z.enum(["cifar10", "cifar100"]);
export type FetchKind = z.infer<typeof FetchKind>;

/** The data set to download, and its destination. */
export const FetchOptions = z.strictObject({
  kind: FetchKind,
  /** Directory in which the data set's own directory is created; created if missing. */
  directory: FilePath,
  /** Alternative URL of the same archive. Default: the data set's home page. */
  url: z.url({ protocol: /^https?$/ }).describe("an http or https address").optional(),
});
export interface FetchOptions extends z.infer<typeof FetchOptions> {}
