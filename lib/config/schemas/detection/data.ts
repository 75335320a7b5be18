import { z } from "zod";
import { FilePath, filePath } from "../../file-path.js";
import { Count, Exif, PositiveCount, PositiveNumber, RESUMABLE, Seed } from "../common.js";

/**
 * Handling of annotations whose box has no area within its image, of polygons with fewer than six or an odd count of
 * numbers, and of masks without a pixel: `"error"` names the file, image and annotation; `"drop"` leaves them out and
 * counts them. Such boxes would make losses infinite.
 */
const invalidBoxes = z.enum(["error", "drop"]).default("error");

/** Options of reading annotations. */
export const ReadAnnotationsOptions = z.strictObject({ invalidBoxes });
export interface ReadAnnotationsOptionsInput extends z.input<typeof ReadAnnotationsOptions> {}

/** Image sets of Pascal VOC: the files of `ImageSets/Main`, with masks those of `ImageSets/Segmentation`. */
export const VocSet = z.enum(["train", "val", "trainval", "test"]);
export type VocSet = z.infer<typeof VocSet>;

/** One name per class, in label order, each once. */
const classNames = z.array(z.string().min(1)).min(1)
  .refine((names) => new Set(names).size === names.length, "class names that differ");

/** Read the masks of `SegmentationObject`; the images are then those of `ImageSets/Segmentation`. */
const vocMasks = z.boolean().default(false);

/** Options of `readVocAnnotations`. */
export const ReadVocOptions = z.strictObject({
  /** The image set. */
  set: VocSet.default("train"),
  /** Default: all classes of the set's annotations, sorted by name. Pass those of the training set for another set. */
  classNames: classNames.optional(),
  /** With the masks of the segmentation set. */
  masks: vocMasks,
  invalidBoxes,
});
export interface ReadVocOptionsInput extends z.input<typeof ReadVocOptions> {}

/** The handling of images, shared by the sources of detection. The detector says which size they are resized to. */
const shared = {
  /** Shorter sides of training images, one of which is drawn for each image: 640, 672, …, 800 for COCO. */
  trainSizes: z.array(PositiveCount).min(1).optional(),
  /** Mirror half of the training images. */
  flip: z.boolean().default(true),
  invalidBoxes,
  /**
   * Rotation of images by their EXIF data: `"ignore"` like torchvision, for annotations of stored pixels, such as
   * COCO's; `"rotate"` like detectron2. Either way the size has to be the annotations'.
   */
  exif: Exif.default("ignore"),
  /** Use only the first N training images. */
  limitTrain: PositiveCount.optional(),
  /** Use only the first N test images. */
  limitTest: PositiveCount.optional(),
  /** Images decoded at a time. Default: number of cores. At most UV_THREADPOOL_SIZE or 4, Node's thread pool. */
  numWorkers: PositiveCount.optional().meta(RESUMABLE),
  /** Handling of a file that cannot be decoded: `"fail"` stops and names it, `"skip"` reports and counts it. */
  onDecodeError: z.enum(["fail", "skip"]).default("fail"),
};

/** A path for each of the two splits. */
const splitPaths = z.strictObject({
  /** Of the training images. */
  train: FilePath,
  /** Of the test images. */
  val: FilePath,
});

/**
 * Annotations in COCO's format (instances) and their images. Either `root`, a directory in COCO's layout: `train2017`,
 * `val2017` and `instances_{train,val}2017.json`, these also below `annotations`; or `images` and `annotations`.
 */
export const CocoSource = z.strictObject({
  kind: z.literal("coco"),
  /** The directory of the data set. */
  root: filePath("a directory with train2017, val2017 and annotations/instances_train2017.json").optional(),
  /** The folder of all images, or one for each split. */
  images: z.union([FilePath, splitPaths]).optional(),
  /** The JSON files. */
  annotations: splitPaths.optional(),
  ...shared,
}).refine(({ root, images, annotations }) =>
  root === undefined ? images !== undefined && annotations !== undefined
    : images === undefined && annotations === undefined, "either root, or images and annotations")
  .meta({
    directory: { content: "train2017, val2017 and instances_train2017.json",
      remedy: "Download COCO 2017 and unpack it into one directory." },
  });
export interface CocoSource extends z.infer<typeof CocoSource> {}

/**
 * Pascal VOC's layout: `Annotations/*.xml`, `JPEGImages`, `ImageSets/Main/{train,val}.txt`; with `masks` also
 * `SegmentationObject/*.png` and `ImageSets/Segmentation/{train,val}.txt`.
 */
export const VocSource = z.strictObject({
  kind: z.literal("voc"),
  /** The directory of one year. */
  root: filePath("a directory with Annotations, JPEGImages and ImageSets/Main, such as VOC2012"),
  /** The image set to train on. */
  trainSet: VocSet.default("train"),
  /** The image set to evaluate on. */
  testSet: VocSet.default("val"),
  /** Default: all classes of the training set's annotations, sorted by name. */
  classNames: classNames.optional(),
  /** With the masks of the segmentation set. */
  masks: vocMasks,
  ...shared,
}).meta({
  directory: { content: "Annotations, JPEGImages and ImageSets", remedy: "Pass the directory of one year: VOC2012." },
});
export interface VocSource extends z.infer<typeof VocSource> {}

/** Drawn scenes: shapes of several classes that overlap, with masks; deterministic in the seed. */
export const ScenesSource = z.strictObject({
  kind: z.literal("scenes"),
  /** Circles, squares, triangles, stars, rings and crosses, in this order. */
  numClasses: z.int().min(1).max(6).default(4),
  /** Number of training images. */
  trainSamples: PositiveCount.default(400),
  /** Number of test images. */
  testSamples: PositiveCount.default(100),
  /** Height and width in pixels. */
  imageSize: z.int().min(32).max(1024).default(128),
  /** Most objects of an image; each has at least one. */
  maxObjects: z.int().min(1).max(20).default(4),
  /** Seeds the images. */
  seed: Seed.default(0),
  flip: shared.flip,
  trainSizes: shared.trainSizes,
  limitTrain: shared.limitTrain,
  limitTest: shared.limitTest,
});
export interface ScenesSource extends z.infer<typeof ScenesSource> {}

/** An encoded image file, or its RGB bytes `[height, width, 3]`. */
export type ProvidedImage = Uint8Array | {
  readonly pixels: Uint8Array;
  readonly height: number;
  readonly width: number;
};

/** The images of annotations: a folder with their file names, or a function that provides one by its index. */
const images = z.union([FilePath,
  z.custom<(index: number) => ProvidedImage | Promise<ProvidedImage>>((value) => typeof value === "function")])
  .describe("the path of a folder, or a function from an index to an image");

/** Annotations, as `detectionFrom`, `readCocoAnnotations` and `readVocAnnotations` return them. */
const annotations = z.custom<object>((value) => typeof value === "object" && value !== null, {
  error: "the result of detectionFrom, readCocoAnnotations or readVocAnnotations",
});

const boxesSplit = z.strictObject({ annotations, images });

/** Boxes and masks that are passed from JavaScript, with images from a folder or a function. */
export const BoxesSource = z.strictObject({
  kind: z.literal("boxes"),
  /** The training images. */
  train: boxesSplit,
  /** The test images. */
  test: boxesSplit,
  trainSizes: shared.trainSizes,
  flip: shared.flip,
  exif: shared.exif,
  limitTrain: shared.limitTrain,
  limitTest: shared.limitTest,
  numWorkers: shared.numWorkers,
  onDecodeError: shared.onDecodeError,
});
export interface BoxesSource extends z.infer<typeof BoxesSource> {}

/** A list or typed array, whose elements are checked where they are read. */
const list = <Element>(elements: string) =>
  z.custom<ArrayLike<Element>>((value) => Array.isArray(value) || (ArrayBuffer.isView(value) && "length" in value),
    `a list of ${elements}`);

/** Width / height of each image. */
export const AspectRatios = list<number>("ratios of width to height");

/** Options of `groupedOrder`. */
export const GroupedOrderOptions = z.strictObject({
  /** Images in a batch. */
  batchSize: PositiveCount,
  /** Seeds the order and the drawn sides and flips. */
  seed: Seed.default(0),
  /** Epoch from 0. */
  epoch: Count.default(0),
  /** Random order. */
  shuffle: z.boolean().default(true),
  /**
   * Ratios of width to height that separate groups, ascending. Default: 1, like detectron2: upright and wide images. An
   * empty list groups nothing.
   */
  groups: z.array(PositiveNumber).refine(
    (edges) => edges.every((edge, i) => i === 0 || edge > (edges[i - 1] as number)),
    "ascending ratios",
  ).default([1]),
});
export interface GroupedOrderOptionsInput extends z.input<typeof GroupedOrderOptions> {}

/** A mask: a bitmap `[height, width]` in rows, or COCO's run lengths as a string or as numbers. */
export type MaskInput = Uint8Array | {
  readonly size: readonly [height: number, width: number];
  readonly counts: string | readonly number[];
};

/** An image with its objects; all lists have one entry per object. */
export const DetectionImageInput = z.strictObject({
  id: z.int(),
  /** In pixels. */
  width: PositiveCount,
  height: PositiveCount,
  /** Relative to the folder of the images. Default: none. */
  fileName: z.string().default(""),
  /** x1, y1, x2, y2 of each object in pixels: a list of four each, or all in one typed array. */
  boxes: list<ArrayLike<number> | number>("boxes"),
  /** The id of each object's category. */
  labels: list<number>("category ids"),
  masks: list<MaskInput>("masks").optional(),
  /** The polygons of each object, `x1, y1, x2, y2, …`. */
  polygons: list<readonly ArrayLike<number>[]>("polygons by object").optional(),
  /** Default: the areas of the boxes. */
  areas: list<number>("areas").optional(),
  crowd: list<number | boolean>("flags").optional(),
  /** Ids of the annotations. Default: counted from 1 over all images. */
  ids: list<number>("ids").optional(),
});
export interface DetectionImageInput extends z.output<typeof DetectionImageInput> {}

/** Annotations that are passed from JavaScript. */
export const DetectionInput = z.strictObject({
  /** The classes, in any order. */
  categories: z.array(z.strictObject({
    /** By which objects name their class. */
    id: z.int(),
    /** Of the class. */
    name: z.string().min(1),
    /** The group of classes that it belongs to. */
    supercategory: z.string().optional(),
  })),
  /** The images with their objects. */
  images: z.array(DetectionImageInput),
  invalidBoxes,
});
export interface DetectionInputOptions extends z.input<typeof DetectionInput> {}
