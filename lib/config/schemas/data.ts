import { z } from "zod";
import { Count, PositiveCount, PositiveNumber, RESUMABLE, Seed } from "./common.js";
import { StreamSplit } from "./stream.js";

/** Per-channel statistics in units of pixel value / 255; images become (pixel / 255 - mean) / std. */
export const Normalization = z.strictObject({
  mean: z.tuple([z.number(), z.number(), z.number()]),
  std: z.tuple([PositiveNumber, PositiveNumber, PositiveNumber]),
});
export type Normalization = z.infer<typeof Normalization>;

const shared = {
  /** Use only the first N training images. */
  limitTrain: PositiveCount.optional(),
  /** Use only the first N test images. */
  limitTest: PositiveCount.optional(),
  /** Replaces the data set's own statistics. */
  normalization: Normalization.optional(),
};

const cifar = <Kind extends "cifar10" | "cifar100">(kind: Kind) =>
  z.strictObject({
    kind: z.literal(kind),
    /** Directory of the binary version's `.bin` files. */
    root: z.string().min(1).describe("the directory of the data set's .bin files (`reviewkd data fetch` downloads them)"),
    ...shared,
  });

/** CIFAR-10 in its published binary layout: `data_batch_1.bin` … `data_batch_5.bin`, `test_batch.bin`. */
export const Cifar10 = cifar("cifar10");

/** CIFAR-100 in its published binary layout: `train.bin`, `test.bin`; fine labels. */
export const Cifar100 = cifar("cifar100");

/** Drawn on the fly, the same for the same seed: classes of shapes and textures on 32×32 pixels. */
export const Synthetic = z.strictObject({
  kind: z.literal("synthetic"),
  numClasses: z.int().min(2).max(20).default(20),
  trainSamples: PositiveCount.default(4000),
  testSamples: PositiveCount.default(2000),
  seed: Seed.default(0),
  ...shared,
});

/** Two numbers, the smaller one first. */
const range = (schema: z.ZodNumber, expected: string) =>
  z.tuple([schema, schema]).refine(([low, high]) => low <= high, expected).describe(expected);

/**
 * Folders in ImageNet's layout: `root/{train,val}/<class>/*.jpg` (or `test` for `val`), decoded by the package `sharp` while
 * the network trains. Training images: random resized crop and flip; test images: short side 256/224 · imageSize, middle.
 */
export const ImageFolder = z.strictObject({
  kind: z.literal("image-folder"),
  root: z.string().min(1).describe("a directory with train/CLASS/*.jpg and val/CLASS/*.jpg"),
  /** Height and width of what the network sees, pixels. */
  imageSize: PositiveCount.default(224),
  /** Of the random crops: share of the image's area, and ratio of width to height. */
  scale: range(z.number().positive().max(1), "two numbers above 0 and up to 1, the smaller one first").default([0.08, 1]),
  ratio: range(PositiveNumber, "two numbers above 0, the smaller one first").default([3 / 4, 4 / 3]),
  /**
   * Images that are decoded at a time. Default: as many as there are cores. Node runs no more than its thread pool has
   * threads: 4, or what UV_THREADPOOL_SIZE says.
   */
  numWorkers: PositiveCount.optional().meta(RESUMABLE),
  /**
   * What happens with a file that cannot be decoded: `"fail"` ends the training with its name, as torchvision does, for who
   * was not told that data are missing should hear of it; `"skip"` names and counts it, and goes on with another one.
   */
  onDecodeError: z.enum(["fail", "skip"]).default("fail"),
  ...shared,
});
export type ImageFolderSource = z.infer<typeof ImageFolder>;

/** A name for each class, in the order of the labels. */
const classNames = z.array(z.string()).optional();

/** MNIST, Fashion-MNIST and whatever else has their files: `train-images-idx3-ubyte` and so on, also compressed (`.gz`). */
export const Idx = z.strictObject({
  kind: z.literal("idx"),
  root: z.string().min(1).describe("the directory of train-images-idx3-ubyte, train-labels-idx1-ubyte and the two t10k files (or .gz)"),
  numClasses: z.int().min(2).max(256).default(10),
  /** Default: the classes' numbers. */
  classNames,
  /** Surround the images with black to this height and width, 32 for networks that halve CIFAR's 32×32 often. Default: not at all. */
  padTo: PositiveCount.optional(),
  ...shared,
});
export type IdxSource = z.infer<typeof Idx>;

const ImageArray = z.union([z.instanceof(Uint8Array), z.instanceof(Float32Array)]);
const LabelArray = z.union([
  z.array(Count), z.instanceof(Uint8Array), z.instanceof(Uint16Array), z.instanceof(Int32Array), z.instanceof(BigInt64Array),
]);

/** One split handed over from TypeScript. */
export const ArraySplit = z.strictObject({
  /** Pixels, `[count, 3, height, width]` row by row: bytes 0–255, or floats that are used as they are. */
  images: ImageArray,
  /** One class index per image, from 0. */
  labels: LabelArray,
});
export type ArraySplit = z.infer<typeof ArraySplit>;

/** Images and labels handed over as typed arrays. Both splits have the same image size and kind of pixels. */
export const Arrays = z.strictObject({
  kind: z.literal("arrays"),
  numClasses: z.int().min(2),
  height: PositiveCount,
  width: PositiveCount,
  train: ArraySplit,
  test: ArraySplit,
  classNames,
  ...shared,
});

/**
 * Images that an iterable makes, while the trainer uses those before: decoded, drawn or received in whatever way. It is asked
 * for no more than the trainer needs next, three batches ahead. Bytes are normalized, by ImageNet's statistics unless others
 * are given.
 */
export const Stream = z.strictObject({
  kind: z.literal("stream"),
  numClasses: z.int().min(2),
  height: PositiveCount,
  width: PositiveCount,
  /** Order of an image's values: `[3, height, width]` or `[height, width, 3]`. */
  layout: z.enum(["chw", "hwc"]).default("chw"),
  train: StreamSplit,
  test: StreamSplit,
  classNames,
  ...shared,
});
export type StreamSource = z.infer<typeof Stream>;

/** Where training and test images come from. */
export const DataSource = z.discriminatedUnion("kind", [Synthetic, Cifar10, Cifar100, ImageFolder, Idx, Arrays, Stream]);
export type DataSource = z.infer<typeof DataSource>;
export type DataSourceInput = z.input<typeof DataSource>;

/** The kinds that a file or a command line can name. */
export const StoredDataSource = z.discriminatedUnion("kind", [Synthetic, Cifar10, Cifar100, ImageFolder, Idx]);
export type StoredDataSource = z.infer<typeof StoredDataSource>;

/** One pass over a split in batches. */
export const BatchOptions = z.strictObject({
  batchSize: PositiveCount.default(128),
  /** Order and augmentation are a pure function of seed, epoch and position. */
  seed: Seed.default(0),
  epoch: Count.default(0),
  /** Random order. Default: on for the training split. */
  shuffle: z.boolean().optional(),
  /** Pad by 4, crop and flip; image folders: random resized crop and flip. Default: on for the training split. */
  augment: z.boolean().optional(),
  /** Leave out a last batch that is not full. */
  dropLast: z.boolean().default(false),
  /** The batch to begin with: how many of this pass are done, where a loop goes on within an epoch. */
  firstBatch: Count.default(0),
});
export type BatchOptions = z.infer<typeof BatchOptions>;
export type BatchOptionsInput = z.input<typeof BatchOptions>;
