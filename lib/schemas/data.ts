import { z } from "zod";
import { Count, PositiveCount, PositiveNumber, Seed } from "./common.js";

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
  classNames: z.array(z.string()).optional(),
  ...shared,
});

/** Where training and test images come from. */
export const DataSource = z.discriminatedUnion("kind", [Synthetic, Cifar10, Cifar100, Arrays]);
export type DataSource = z.infer<typeof DataSource>;
export type DataSourceInput = z.input<typeof DataSource>;

/** The kinds that a file or a command line can name. */
export const StoredDataSource = z.discriminatedUnion("kind", [Synthetic, Cifar10, Cifar100]);
export type StoredDataSource = z.infer<typeof StoredDataSource>;

/** One pass over a split in batches. */
export const BatchOptions = z.strictObject({
  batchSize: PositiveCount.default(128),
  /** Order and augmentation are a pure function of seed, epoch and position. */
  seed: Seed.default(0),
  epoch: Count.default(0),
  /** Random order. Default: on for the training split. */
  shuffle: z.boolean().optional(),
  /** Pad by 4, crop and flip. Default: on for the training split. */
  augment: z.boolean().optional(),
  /** Leave out a last batch that is not full. */
  dropLast: z.boolean().default(false),
});
export type BatchOptions = z.infer<typeof BatchOptions>;
export type BatchOptionsInput = z.input<typeof BatchOptions>;
