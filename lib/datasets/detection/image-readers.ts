// Readers of the images of annotations: of files in a folder, and of what a function provides.
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { BoxesSource, CocoSource, ProvidedImage, VocSource } from "../../config/schemas/detection/data.js";
import type { BrokenImage } from "../../config/schemas/fit-event.js";
import { bytesOf, isTypedArray, unshared } from "../../config/typed-arrays.js";
import { valueText } from "../../config/validation.js";
import { asSentence, causedBy, isReviewKdError, messageOf, ReviewKdError } from "../../errors.js";
import type { DecodedImage } from "../../images/decode-image.js";
import { loadSharp } from "../../images/load-sharp.js";
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
      this.skip(index, path, messageOf(error), error);
      return undefined;
    }
  }

  skip(index: number, path: string, reason: string, cause?: unknown): void {
    if (this.onDecodeError === "fail") {
      throw new ReviewKdError("FILE_CORRUPT",
        `cannot decode the image ${path}: ${asSentence(reason)} Replace or remove it, or skip broken images with ` +
          'onDecodeError: "skip" (on the command line --on-decode-error skip).', { cause });
    }
    if (!this.#skipped.has(index)) this.reports.push({ split: this.split, path, reason });
    this.#skipped.add(index);
  }
}

/** Reads image files of a folder. */
export async function imageFiles(folder: string, annotations: DetectionAnnotations,
  source: BoxesSource | CocoSource | VocSource, broken: BrokenImages): Promise<ImageReader> {
  const decoder = new DetectionImageDecoder(await loadSharp(), source);
  const read = broken.reader(async (index) => {
    const { fileName, height, width } = annotations.image(index);
    const path = join(folder, fileName);
    const encoded = await readFile(path).catch((error: unknown) => {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return undefined;
      throw causedBy("FILE_ACCESS", `cannot read the image ${path}`, error,
        code === "EACCES" || code === "EPERM" ? "Check its permissions." : "Check its name in the annotations.");
    });
    if (encoded === undefined) {
      broken.skip(index, path, "the file does not exist");
      return undefined;
    }
    return broken.decoded(index, path, decoder.decode(encoded, { path, height, width }));
  });
  return { numWorkers: source.numWorkers ?? availableParallelism(), read };
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
  return { numWorkers: source.numWorkers ?? availableParallelism(), read };
}

function isPixels(value: unknown): value is DecodedImage {
  const { pixels, height, width } = (value ?? {}) as Partial<DecodedImage>;
  return isTypedArray(pixels, "Uint8Array") &&
    [height, width].every((side) => Number.isInteger(side) && (side as number) > 0);
}
