import type { Exif } from "../config/schemas/common.js";
import { asSentence, isReviewKdError, messageOf, ReviewKdError } from "../errors.js";
import type { Sharp } from "./load-sharp.js";
import { opaqueGif } from "./opaque-gif.js";
import { isUnread, readImageFile, remedyOf } from "./read-image-file.js";

/** An image as RGB bytes `[height, width, 3]`. */
export interface DecodedImage {
  readonly pixels: Uint8Array;
  readonly height: number;
  readonly width: number;
}

interface ImageSize {
  readonly height: number;
  readonly width: number;
}

/** The header of an image file: its size in the orientation that is decoded, and in the other one. */
export interface ImageHeader {
  readonly format: string;
  readonly size: ImageSize;
  readonly otherSize: ImageSize;
}

/**
 * Decodes an image file in its full size: grey and CMYK converted, alpha dropped.
 *
 * @param options - `name` of the image, for messages; `check` throws if the header is not acceptable, before any pixel
 * is decoded.
 * @throws ReviewKdError `FILE_UNSUPPORTED`; sharp's error if the file is broken.
 */
export async function decodeImage(sharp: Sharp, encoded: Uint8Array,
  options: { readonly name: string; readonly exif: Exif; readonly check: (header: ImageHeader) => void }
): Promise<DecodedImage> {
  // Old JPEG files cause many warnings, which are acceptable; missing data is not. `check` bounds the pixels,
  // before any is decoded; sharp's own limit names neither the size nor what to do.
  const image = sharp(opaqueGif(encoded), { failOn: "error", limitInputPixels: false });
  const { width, height, autoOrient, format } = await image.metadata();
  const stored = { width, height };
  const isRotated = options.exif === "rotate";
  const size = isRotated ? autoOrient : stored;
  options.check({ format, size, otherSize: isRotated ? stored : autoOrient });
  const oriented = isRotated ? image.autoOrient() : image;
  const { data, info } = await oriented.removeAlpha().toColourspace("srgb").raw({ depth: "uchar" }).toBuffer({
    resolveWithObject: true,
  });
  if (info.channels !== 3 || info.width !== size.width || info.height !== size.height) {
    throw new ReviewKdError("FILE_UNSUPPORTED",
      `invalid image ${options.name}: expected ${size.width}×${size.height} RGB pixels after decoding, received ` +
        `${info.width}×${info.height} with ${info.channels} channels. Convert it to a JPEG or PNG.`);
  }
  return { pixels: data, height: info.height, width: info.width };
}

/** Bound of an image file, far above those of cameras. */
const MOST_BYTES = 2 ** 28;

/** Bound of an image's pixels: 400 MB decoded. */
const MOST_PIXELS = 2 ** 27;

/** Formats of photographs; others that sharp reads, such as SVG, are programs rather than pixels. */
const FORMATS = new Set(["jpeg", "png", "webp", "gif", "heif", "tiff"]);

function unsupported(name: string, expected: string, received: string, fix: string): ReviewKdError {
  return new ReviewKdError("FILE_UNSUPPORTED",
    `invalid image ${name}: expected ${expected}, received ${received}. ${fix}`);
}

/**
 * Decodes a photograph of unknown origin, a file or its content.
 *
 * @param image - a path, or an encoded image.
 * @param options - `name` of the image in messages, by default its path or "in memory"; `decode`, by default of all of
 * the image, must pass the header to `check` before it decodes a pixel.
 * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`; `FILE_UNSUPPORTED` and `FILE_CORRUPT` for broken images.
 */
export async function decodePhoto(sharp: Sharp, image: string | Uint8Array, exif: Exif,
  { name = typeof image === "string" ? image : "in memory", decode = decodeImage }: {
    readonly name?: string | undefined;
    readonly decode?: typeof decodeImage;
  } = {}): Promise<DecodedImage> {
  const encoded = typeof image === "string" ? await readPhoto(image) : image;
  const check = ({ format, size }: ImageHeader): void => {
    if (!FORMATS.has(format)) {
      throw unsupported(name, "a JPEG, PNG, WebP, GIF, AVIF or TIFF image", format.toUpperCase(), "Convert it first.");
    }
    if (size.width * size.height > MOST_PIXELS)
      throw unsupported(name, "at most 2^27 pixels", `${size.width}×${size.height}`, "Scale it down first.");
  };
  try {
    return await decode(sharp, encoded, { name, exif, check });
  } catch (error) {
    if (isReviewKdError(error)) throw error;
    throw new ReviewKdError("FILE_CORRUPT",
      `cannot decode the image ${name}: ${asSentence(messageOf(error))} Replace the file.`, { cause: error });
  }
}

async function readPhoto(path: string): Promise<Uint8Array> {
  const read = await readImageFile(path, MOST_BYTES);
  if (!isUnread(read)) return read;
  throw new ReviewKdError(read.code, `cannot read the image ${path}: ${asSentence(read.reason)} ${remedyOf(read)}`);
}
