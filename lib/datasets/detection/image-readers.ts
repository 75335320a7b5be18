// Readers of the images of annotations: of files in a folder, and of what a function provides.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { BoxesSource, CocoSource, ProvidedImage, VocSource } from "../../config/schemas/detection/data.js";
import type { BrokenImage } from "../../config/schemas/fit-event.js";
import { bytesOf, isTypedArray, unshared } from "../../config/typed-arrays.js";
import { valueText } from "../../config/validation.js";
import { addon } from "../../native.js";
import { asSentence, causedBy, isMissing, isReviewKdError, messageOf, ReviewKdError,
  type ErrorCode } from "../../errors.js";
import type { DecodedImage } from "../../images/decode-image.js";
import { loadSharp } from "../../images/load-sharp.js";
import { isUnread, readImageFile, type UnreadFile } from "../../images/read-image-file.js";
import type { DetectionAnnotations } from "./annotations.js";
import { DetectionImageDecoder } from "./detection-image-decoder.js";
import type { ImageReader } from "./detection-images.js";

/** Images of a split that cannot be decoded: the first one stops the training, or each is left out and reported. */
export class BrokenImages {
  readonly #skipped = new Set<number>();

  constructor(private readonly split: "train" | "test", private readonly onDecodeError: "fail" | "skip",
    private readonly reports: BrokenImage[]) {}

  /** Reads images that are not known to be broken; `undefined` for others. */
  reader(read: (index: number) => Promise<DecodedImage | undefined>): ImageReader["read"] {
    return async (index) => (this.#skipped.has(index) ? undefined : read(index));
  }

  /** The decoded image, or `undefined` if it is skipped. */
  async decoded(index: number, path: string, image: Promise<DecodedImage>): Promise<DecodedImage | undefined> {
    try {
      return await image;
    } catch (error) {
      if (isReviewKdError(error)) throw error;
      this.skip(index, path, messageOf(error), { code: "FILE_CORRUPT", verb: "decode", cause: error });
      return undefined;
    }
  }

  skip(index: number, path: string, reason: string,
    { code, verb, cause }: { readonly code: ErrorCode; readonly verb: string; readonly cause?: unknown }): void {
    if (this.onDecodeError === "fail") {
      throw new ReviewKdError(code,
        `cannot ${verb} the image ${path}: ${asSentence(reason)} Replace the file, correct its name in the ` +
          'annotations, or skip broken images with onDecodeError: "skip" (on the command line --on-decode-error skip).',
        {
          cause,
        });
    }
    if (!this.#skipped.has(index)) this.reports.push({ split: this.split, path, reason });
    this.#skipped.add(index);
  }
}

/** Reads image files of a folder. */
export async function imageFiles(folder: string, annotations: DetectionAnnotations,
  source: BoxesSource | CocoSource | VocSource, broken: BrokenImages): Promise<ImageReader> {
  const decoder = new DetectionImageDecoder(await loadSharp(), source);
  await assertFolder(folder);
  const read = broken.reader(async (index) => {
    const { fileName, height, width } = annotations.image(index);
    const path = join(folder, fileName);
    const encoded = await readNamed(folder, fileName);
    if (isUnread(encoded)) {
      broken.skip(index, path, encoded.reason, { code: encoded.code, verb: "read" });
      return undefined;
    }
    return broken.decoded(index, path, decoder.decode(encoded, { path, height, width }));
  });
  return { numWorkers: source.numWorkers ?? addon().availableProcessors(), read };
}

/** Reads a file whose name the annotations may have in another form of Unicode than the disk. */
async function readNamed(folder: string, fileName: string): Promise<Uint8Array | UnreadFile> {
  const read = await readImageFile(join(folder, fileName));
  if (!isUnread(read) || read.code !== "FILE_NOT_FOUND") return read;
  for (const other of [fileName.normalize("NFC"), fileName.normalize("NFD")]) {
    if (other === fileName) continue;
    const found = await readImageFile(join(folder, other));
    if (!isUnread(found)) return found;
  }
  return read;
}

/** @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, before annotations are used in vain. */
async function assertFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch((error: unknown) => {
    throw causedBy(isMissing(error) ? "FILE_NOT_FOUND" : "FILE_ACCESS", `cannot read the folder of images ${folder}`,
      error, isMissing(error) ? "Check the path." : "Check its permissions.");
  });
  if (found.isDirectory()) return;
  throw new ReviewKdError("FILE_NOT_FOUND",
    `invalid folder of images ${folder}: expected a folder, received a file. Check the path.`);
}

/** Images that the caller's function provides. */
export function providedImages(provide: (index: number) => ProvidedImage | Promise<ProvidedImage>,
  annotations: DetectionAnnotations, source: BoxesSource, broken: BrokenImages): ImageReader {
  let decoder: DetectionImageDecoder | undefined;
  const read = broken.reader(async (index) => {
    const provided: unknown = await provide(index);
    if (isPixels(provided)) return provided;
    const path = `image ${index}`;
    if (!isTypedArray(provided, "Uint8Array")) {
      throw new ReviewKdError("INVALID_ARGUMENT",
        `invalid ${path}: expected an encoded image or { pixels, height, width } with RGB bytes, received ${valueText(provided)}. Return one for each index of the annotations.`);
    }
    decoder ??= new DetectionImageDecoder(await loadSharp(), source);
    const { height, width } = annotations.image(index);
    return broken.decoded(index, path, decoder.decode(unshared(bytesOf(provided)), { path, height, width }));
  });
  return { numWorkers: source.numWorkers ?? addon().availableProcessors(), read };
}

function isPixels(value: unknown): value is DecodedImage {
  const { pixels, height, width } = (value ?? {}) as Partial<DecodedImage>;
  return isTypedArray(pixels, "Uint8Array") &&
    [height, width].every((side) => Number.isInteger(side) && (side as number) > 0);
}
