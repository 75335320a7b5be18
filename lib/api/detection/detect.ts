// Finding objects in images: tensors, encoded images and files.
import { z } from "zod";
import { Count, Exif, PositiveCount, ThreadCount } from "../../config/schemas/common.js";
import type { Size } from "../../config/schemas/detection/detector.js";
import { assertAttached, bytesOf, isTypedArray, unshared } from "../../config/typed-arrays.js";
import { assertObject, parse, readValues } from "../../config/validation.js";
import { isReviewKdError, ReviewKdError, type ErrorCode } from "../../errors.js";
import { withHome } from "../../config/file-path.js";
import { decodePhoto, type DecodedImage } from "../../images/decode-image.js";
import { listImages, type ListImagesOptions } from "../../images/list-images.js";
import { loadSharp, type Sharp } from "../../images/load-sharp.js";
import { mapInOrder } from "../../images/map-in-order.js";
import type { NativeModel, TensorTree } from "../../native-types.js";
import { throwIfAborted } from "../abort.js";
import type { Detections } from "./detector.js";
import { wrapped } from "../functional/call.js";
import { isForeign, ONE_COPY, receivedText } from "../native-object.js";
import { Tensor } from "../tensor.js";

/** An image: a Tensor `[3, H, W]`, RGB from 0 to 1, an encoded image such as a JPEG, or the path of an image file. */
export type ImageInput = Tensor | Uint8Array | string;

/** The objects of an image file. */
export interface DetectedImage {
  readonly path: string;
  /** Height and width in pixels. */
  readonly size: Size;
  readonly detections: Detections;
  readonly reason?: undefined;
}

/** An image file that could not be decoded. */
export interface SkippedImage {
  readonly path: string;
  readonly reason: string;
  readonly size?: undefined;
  readonly detections?: undefined;
  readonly predictions?: undefined;
}

/** @internal */
export const DetectOptions = z.strictObject({
  /** The lowest score of a detection. 0: all that the detector's own threshold leaves. */
  scoreThreshold: z.number().min(0).max(1).default(0),
  /** Masks are 1 above this probability; null: probabilities. */
  maskThreshold: z.number().nullable().default(0.5),
  /** Classes to find. Default: all. */
  labels: z.array(Count).min(1).optional(),
  /** Rotation of files by their EXIF data: `"rotate"` turns them upright first. */
  exif: Exif.default("ignore"),
  /** Threads of one operation. Default: as many as cores that this process may use. */
  threads: ThreadCount.optional(),
});
/** Options of {@link Detector.detect}. */
export interface DetectOptions extends z.input<typeof DetectOptions> {}

/** @internal */
export const DetectAllOptions = DetectOptions.extend({
  /** Images per batch. More than one helps GPUs, and needs more memory. */
  batchSize: PositiveCount.default(1),
  /** Handling of a file that cannot be decoded: `"fail"` stops and names it, `"skip"` yields it with a reason. */
  onDecodeError: z.enum(["fail", "skip"]).default("fail"),
});

/** Options of {@link Detector.detectAll}. */
export interface DetectAllOptions extends z.input<typeof DetectAllOptions> {
  /** Stops before the next image. */
  readonly signal?: AbortSignal | undefined;
  /** Called before the first image for each kind of files that were skipped in folders. */
  readonly onNotice?: ListImagesOptions["onNotice"];
}

/** Images decoded at a time for one batch. Node decodes in its pool of 4 threads. */
const DECODED_AT_A_TIME = 4;

type Choice = Omit<z.output<typeof DetectOptions>, "exif">;

/** @internal */
export async function detectWith(native: NativeModel, images: ImageInput | readonly ImageInput[],
  options: DetectOptions): Promise<Detections | Detections[]> {
  const { exif, ...choice } = parse(DetectOptions, options, "detect options");
  assertClasses(native, choice.labels);
  const prepared: (Tensor | DecodedImage)[] = [];
  const prepare = preparation(exif);
  for await (const image of mapInOrder(namedImages(images), DECODED_AT_A_TIME, prepare))
    prepared.push(image);
  const found = await findObjects(native, prepared, choice);
  return Array.isArray(images) ? found : found[0] as Detections;
}

/** @internal */
export async function* detectAllWith(native: NativeModel, source: string | readonly string[],
  given: DetectAllOptions): AsyncGenerator<DetectedImage | SkippedImage, void> {
  assertObject(given, "detect options");
  const { signal, onNotice, ...options } = given;
  const { exif, batchSize, onDecodeError, ...choice } = parse(DetectAllOptions, options, "detect options");
  assertClasses(native, choice.labels);
  throwIfAborted(signal, "the search for objects");
  const paths = await listImages(source, { onNotice });
  const sharp = await loadSharp();
  const images = mapInOrder(paths, 2 * batchSize, (path) => decodeOrSkip(sharp, path, exif, onDecodeError));
  for await (const batch of batchesOf(images, batchSize)) {
    assertRunning(signal, "the search for objects");
    const decoded = batch.flatMap(({ image }) => (image === undefined ? [] : [image]));
    const found = decoded.length === 0 ? [] : await findObjects(native, decoded, choice);
    for (const { path, image, reason } of batch) {
      assertRunning(signal, "the search for objects");
      yield image === undefined ? { path, reason }
        : { path, size: [image.height, image.width], detections: found.shift() as Detections };
    }
  }
}

/** @throws ReviewKdError `ABORTED` once the signal is aborted. */
export function assertRunning(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted !== true) return;
  throw new ReviewKdError("ABORTED", `${what} was stopped by its signal.`, { cause: signal.reason });
}

function assertClasses(native: NativeModel, labels: readonly number[] | undefined): void {
  if (labels === undefined) return;
  const { numClasses } = native.describe();
  const unknown = labels.find((label) => label >= numClasses);
  if (unknown === undefined) return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid labels: expected numbers below ${numClasses}, the detector's classes, received ${unknown}.`);
}

/** An image that a caller passed, and its name in messages: of one that has no path, if it is in a list. */
export interface NamedImage {
  readonly image: ImageInput;
  readonly name?: string | undefined;
}

/**
 * The images of a call. A caller may write to the shared memory of encoded ones before they are decoded: of those it
 * has copies.
 *
 * @param check - of each image, in addition to its class.
 * @throws ReviewKdError `INVALID_ARGUMENT`, and what `check` throws.
 */
export function namedImages(images: unknown,
  check?: (image: ImageInput, index: number) => void): readonly NamedImage[] {
  return readValues(() => {
    const isList = Array.isArray(images);
    // Holes become undefined values, which are none.
    return Array.from(isList ? images as unknown[] : [images], (image, index): NamedImage => {
      assertImage(image, index);
      check?.(image, index);
      if (typeof image === "string" || image instanceof Tensor) return { image };
      return { image: unshared(bytesOf(image)), name: isList ? `images[${index}]` : undefined };
    });
  }, "images");
}

/** @throws ReviewKdError `INVALID_ARGUMENT` */
function assertImage(image: unknown, index: number): asserts image is ImageInput {
  if (ArrayBuffer.isView(image)) assertAttached(image, `images[${index}]`);
  if (image instanceof Tensor || isTypedArray(image, "Uint8Array") || (typeof image === "string" && image !== ""))
    return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid images[${index}]: expected a Tensor, an encoded image or the path of an image file, received ${receivedText(image, "Tensor")}.${isForeign(image, "Tensor") ? ` ${ONE_COPY}` : ""}`);
}

/** Decodes what is not a Tensor; sharp is loaded once it is needed. */
function preparation(exif: Exif): (image: NamedImage) => Promise<Tensor | DecodedImage> {
  let sharp: Promise<Sharp> | undefined;
  return async ({ image, name }) => {
    if (image instanceof Tensor) return image;
    sharp ??= loadSharp();
    return decodePhoto(await sharp, typeof image === "string" ? withHome(image, "path of an image") : image, exif, {
      name,
    });
  };
}

/** A file with its pixels, or with the reason why it has none. */
type Opened = { readonly path: string } & (
  | { readonly image: DecodedImage; readonly reason?: undefined }
  | { readonly image?: undefined; readonly reason: string }
);

/** Errors that say something about an image, not about the system. */
const BROKEN: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["FILE_CORRUPT", "FILE_UNSUPPORTED", "FILE_NOT_FOUND",
  "FILE_ACCESS"]);

/** Whether an error says something about an image, so that it can be skipped. */
export function isBrokenImage(error: unknown): error is ReviewKdError {
  return isReviewKdError(error) && BROKEN.has(error.code);
}

async function decodeOrSkip(sharp: Sharp, path: string, exif: Exif, onDecodeError: "fail" | "skip"): Promise<Opened> {
  try {
    return { path, image: await decodePhoto(sharp, path, exif) };
  } catch (error) {
    if (!isBrokenImage(error) || onDecodeError === "fail") throw error;
    // The path is next to it.
    return { path, reason: error.message.replace(` ${path}`, "") };
  }
}

/** Groups with at most `batchSize` images each; files without an image come along with the group they are in. */
async function* batchesOf(images: AsyncIterable<Opened>, batchSize: number): AsyncGenerator<Opened[], void> {
  let batch: Opened[] = [];
  let count = 0;
  for await (const opened of images) {
    batch.push(opened);
    if (opened.image !== undefined) ++count;
    if (count < batchSize && batch.length < 2 * batchSize) continue;
    yield batch;
    [batch, count] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}

async function findObjects(native: NativeModel, images: readonly (Tensor | DecodedImage)[],
  { scoreThreshold, maskThreshold, labels, threads }: Choice): Promise<Detections[]> {
  const decoded: Tensor[] = [];
  const tree = images.map((image): TensorTree => {
    if (image instanceof Tensor) return image.native;
    const pixels = Tensor.from(image.pixels, [image.height, image.width, 3]);
    decoded.push(pixels);
    return { pixels: pixels.native };
  });
  try {
    const options = { scoreThreshold, maskThreshold: maskThreshold ?? undefined, labels, threads };
    return wrapped(await native.detect(tree, options)) as unknown as Detections[];
  } finally {
    for (const pixels of decoded) pixels.dispose();
  }
}
