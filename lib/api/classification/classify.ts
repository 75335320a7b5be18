// Class names and probabilities of images: tensors, encoded images and files.
import { z } from "zod";
import { withHome } from "../../config/file-path.js";
import { ClassNames, ImageSide, PositiveCount } from "../../config/schemas/common.js";
import { type Preprocessing, RecordedPreprocessing } from "../../config/schemas/data.js";
import { assertObject, parse } from "../../config/validation.js";
import { ReviewKdError } from "../../errors.js";
import { type CenterCrop, decodeCenter } from "../../images/center-crop.js";
import { listImages, type ListImagesOptions } from "../../images/list-images.js";
import { loadSharp, type Sharp } from "../../images/load-sharp.js";
import { mapInOrder } from "../../images/map-in-order.js";
import { oneAhead } from "../../images/one-ahead.js";
import { addon } from "../../native.js";
import type { NativeModel, TensorTree } from "../../native-types.js";
import { assertCallback, throwIfAborted } from "../abort.js";
import { Tensor } from "../tensor.js";
import { assertRunning, type ImageInput, isBrokenImage, type NamedImage, namedImages,
  type SkippedImage } from "../detection/detect.js";
import { warnOfAssumed, withAssumptions, type ModelPreprocessing } from "./preprocessing.js";

/** A class that an image may belong to. */
export interface Prediction {
  /** The class index. */
  readonly label: number;
  /** Its name; the index as text if no name is known. */
  readonly className: string;
  /** From 0 to 1; those of all classes add up to 1. */
  readonly probability: number;
}

/** The classes of an image file. */
export interface ClassifiedImage {
  readonly path: string;
  /** Most likely first. */
  readonly predictions: readonly Prediction[];
  readonly reason?: undefined;
}

/** @internal */
export const OptionsOfBoth = z.strictObject({
  /** Number of classes for each image, the most likely ones. */
  topK: PositiveCount.default(5),
  /** Images in a batch, which does not change results beyond rounding. */
  batchSize: PositiveCount.default(64),
  /** One name per class. Default: those that the weights were saved with, or those of the data trained on. */
  classNames: ClassNames.readonly().optional(),
  /** Height and width of the network's input, or one number for both. Default: as the training's. */
  imageSize: z.union([ImageSide, z.tuple([ImageSide, ImageSide]).readonly()]).optional(),
  /** As {@link Preprocessing} has it. Default: the training's, in proportion to `imageSize`. */
  resizeSize: ImageSide.optional(),
  /** Default: that of the training. */
  normalization: RecordedPreprocessing.shape.normalization.optional(),
});

/** @internal */
export const ClassifyAllOptions = OptionsOfBoth.extend({
  /** Handling of a file that cannot be decoded: `"fail"` stops and names it, `"skip"` yields it with a reason. */
  onDecodeError: z.enum(["fail", "skip"]).default("fail"),
});

/** Options of {@link Model.classify}. */
export interface ClassifyOptions extends z.input<typeof OptionsOfBoth> {
  /** Stops before the next batch. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each batch with the number of images processed. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** Options of {@link Model.classifyAll}. */
export interface ClassifyAllOptions extends z.input<typeof ClassifyAllOptions> {
  /** Stops before the next batch. */
  readonly signal?: AbortSignal | undefined;
  /** Called before the first image for each kind of files that were skipped in folders. */
  readonly onNotice?: ListImagesOptions["onNotice"];
}

/** A classifier with what is known of its classes and its input. */
export interface Classifier {
  readonly native: NativeModel;
  readonly name: string;
  readonly numClasses: number;
  readonly classNames: readonly string[] | null;
  readonly preprocessing: ModelPreprocessing;
}

const WORK = "the classification";

/** @internal */
export async function classifyWith(model: Classifier, images: ImageInput | readonly ImageInput[],
  given: ClassifyOptions): Promise<Prediction[] | Prediction[][]> {
  assertObject(given, "classify options");
  const { signal, onProgress, ...options } = given;
  const plan = planOf(model, parse(OptionsOfBoth, options, "classify options"));
  assertCallback(onProgress, "onProgress");
  throwIfAborted(signal, WORK);
  const list = namedImages(images, assertTensor);
  const prepare = preparation(plan);
  const opened = mapInOrder(list, plan.decodedAtATime,
    async (image): Promise<Opened> => ({ image: await prepare(image) }));
  const found: Prediction[][] = [];
  for await (const classified of classifyBatches(opened, plan, signal)) {
    for (const { predictions } of classified) found.push(...predictions);
    onProgress?.(found.length);
  }
  const isOne = !Array.isArray(images) && !(images instanceof Tensor && images.shape.length > 3);
  return isOne ? found[0] as Prediction[] : found;
}

/** @internal */
export async function* classifyAllWith(model: Classifier, source: string | readonly string[],
  given: ClassifyAllOptions): AsyncGenerator<ClassifiedImage | SkippedImage, void> {
  assertObject(given, "classify options");
  const { signal, onNotice, ...options } = given;
  const { onDecodeError, ...rest } = parse(ClassifyAllOptions, options, "classify options");
  const plan = planOf(model, rest);
  throwIfAborted(signal, WORK);
  const paths = await listImages(source, { onNotice });
  const prepare = preparation(plan, await loadSharp());
  const opened = mapInOrder(paths, plan.decodedAtATime, async (path): Promise<Opened> => {
    try {
      return { path, image: await prepare({ image: path }) };
    } catch (error) {
      if (onDecodeError === "fail" || !isBrokenImage(error)) throw error;
      // The result has the path already.
      return { path, reason: error.message.replace(` ${path}`, "") };
    }
  });
  for await (const classified of classifyBatches(opened, plan, signal)) {
    for (const { path = "", reason, predictions } of classified) {
      assertRunning(signal, WORK);
      yield reason === undefined ? { path, predictions: predictions[0] as Prediction[] } : { path, reason };
    }
  }
}

/** How the images of one call are classified. */
interface Plan {
  readonly model: Classifier;
  readonly topK: number;
  readonly batchSize: number;
  readonly classNames: readonly string[] | null;
  readonly crop: CenterCrop;
  readonly normalization: Preprocessing["normalization"];
  readonly decodedAtATime: number;
}

function planOf(model: Classifier, options: z.output<typeof OptionsOfBoth>): Plan {
  const { topK, batchSize, classNames = model.classNames, imageSize, ...rest } = options;
  if (options.classNames !== undefined && options.classNames.length !== model.numClasses) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid classNames: expected ${model.numClasses} names, one for each class of ${model.name}, received ${options.classNames.length}. Pass one name per class.`);
  }
  const sides = typeof imageSize === "number" ? [imageSize, imageSize] as const : imageSize;
  const preprocessing = withAssumptions({ ...rest, ...(sides === undefined ? {} : { imageSize: sides }) },
    model.preprocessing);
  warnOfAssumed(model, preprocessing);
  const { normalization, ...crop } = preprocessing;
  // Node decodes in its pool of 4 threads, unless its environment has another number.
  const decodedAtATime = Math.max(4, addon().availableProcessors());
  return { model, topK: Math.min(topK, model.numClasses), batchSize, classNames, crop, normalization, decodedAtATime };
}

/** An image, or the reason why there is none. */
interface Opened {
  readonly path?: string;
  readonly image?: PreparedImage;
  readonly reason?: string;
}

/** Images of one size in native memory. */
interface PreparedImage {
  readonly tensor: Tensor;
  /** Bytes `[H, W, 3]` of this module's own, or the caller's values `[3, H, W]` or `[N, 3, H, W]`. */
  readonly isDecoded: boolean;
  readonly count: number;
  readonly size: readonly (number | undefined)[];
}

/** Decodes what is not a Tensor; sharp is loaded once it is needed. */
function preparation({ crop }: Plan, loaded?: Sharp): (image: NamedImage) => Promise<PreparedImage> {
  let sharp: Promise<Sharp> | undefined = loaded === undefined ? undefined : Promise.resolve(loaded);
  return async ({ image, name }) => {
    if (image instanceof Tensor) {
      const count = image.shape.length > 3 ? image.shape[0] ?? 0 : 1;
      return { tensor: image, isDecoded: false, count, size: image.shape.slice(-2) };
    }
    sharp ??= loadSharp();
    const { pixels, height, width } = await decodeCenter(await sharp,
      typeof image === "string" ? withHome(image, "path of an image") : image, crop, name);
    return { tensor: Tensor.from(pixels, [height, width, 3]), isDecoded: true, count: 1, size: [height, width] };
  };
}

/** @throws ReviewKdError `DTYPE_MISMATCH`, `SHAPE_MISMATCH` */
function assertTensor(image: ImageInput, index: number): void {
  if (!(image instanceof Tensor)) return;
  const { shape, dtype } = image;
  if (dtype !== "float32" && dtype !== "float64") {
    throw new ReviewKdError("DTYPE_MISMATCH",
      `invalid images[${index}]: expected float32 or float64, received ${dtype}. Convert it; bytes become values from 0 to 1.`);
  }
  if (shape.length === 4 && shape[0] === 0) {
    throw new ReviewKdError("SHAPE_MISMATCH",
      `invalid images[${index}]: expected at least one image, received [${shape.join(", ")}]. Skip Tensors without images.`);
  }
  if ((shape.length === 3 || shape.length === 4) && shape.at(-3) === 3 && !shape.includes(0)) return;
  throw new ReviewKdError("SHAPE_MISMATCH",
    `invalid images[${index}]: expected [3, height, width] or [N, 3, height, width], received [${shape.join(", ")}]. Pass RGB images.`);
}

interface Classified extends Opened {
  /** For each of its images, the most likely class first. */
  readonly predictions: readonly Prediction[][];
}

/** Runs the network on one batch after the other, while the next is decoded. */
async function* classifyBatches(images: AsyncIterable<Opened>, plan: Plan,
  signal: AbortSignal | undefined): AsyncGenerator<Classified[], void> {
  for await (const batch of oneAhead(batchesOf(images, plan.batchSize))) {
    assertRunning(signal, WORK);
    const prepared = batch.flatMap(({ image }) => (image === undefined ? [] : [image]));
    const found = prepared.length === 0 ? [] : await predict(prepared, plan);
    let next = 0;
    yield batch.map((opened) => {
      const count = opened.image?.count ?? 0;
      return { ...opened, predictions: found.slice(next, next += count) };
    });
  }
}

/** Groups of images of one size; files without an image come along with the group they are in. */
async function* batchesOf(images: AsyncIterable<Opened>, batchSize: number): AsyncGenerator<Opened[], void> {
  let batch: Opened[] = [];
  let [count, size] = [0, ""];
  for await (const opened of images) {
    const own = opened.image?.size.join("×") ?? size;
    const isOther = count > 0 && (own !== size || count + (opened.image?.count ?? 0) > batchSize);
    if (isOther || batch.length >= 2 * batchSize) {
      yield batch;
      [batch, count] = [[], 0];
    }
    batch.push(opened);
    count += opened.image?.count ?? 0;
    size = own;
  }
  if (batch.length > 0) yield batch;
}

/** The most likely classes of each image of a batch. */
async function predict(images: readonly PreparedImage[],
  { model, normalization, topK, classNames }: Plan): Promise<Prediction[][]> {
  try {
    const natives: TensorTree = images.map(({ tensor }) => tensor.native);
    using probabilities = Tensor.wrap(await model.native.classify(natives, normalization));
    const [count = 0, classes = 0] = probabilities.shape;
    const values = probabilities.toTypedArray() as Float64Array;
    return Array.from({ length: count }, (_, index) => {
      const row = values.subarray(index * classes, (index + 1) * classes);
      return largest(row, topK).map((label) => ({ label, className: classNames?.[label] ?? String(label),
        probability: row[label] as number })
      );
    });
  } finally {
    for (const { tensor, isDecoded } of images) if (isDecoded) tensor.dispose();
  }
}

/** The indices of the largest values, of equal ones the first, in falling order. */
function largest(values: Float64Array, count: number): number[] {
  const best: number[] = [];
  const valueAt = (index: number): number => values[index] as number;
  for (let index = 0; index < values.length; ++index) {
    if (best.length === count && valueAt(index) <= valueAt(best[count - 1] as number)) continue;
    const position = best.findIndex((other) => valueAt(index) > valueAt(other));
    best.splice(position < 0 ? best.length : position, 0, index);
    best.length = Math.min(best.length, count);
  }
  return best;
}
