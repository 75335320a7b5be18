import type { Sharp } from "../load-sharp.js";
import { ReviewKdError } from "../../errors.js";

/** An image as RGB bytes `[height, width, 3]`. */
export interface DecodedImage {
  readonly pixels: Uint8Array;
  readonly height: number;
  readonly width: number;
}

/** The image that a file should contain according to its annotations. */
export interface ExpectedImage {
  /** The path, for messages. */
  readonly path: string;
  readonly height: number;
  readonly width: number;
}

/**
 * Decodes image files for detection in their full size: grey and CMYK converted, alpha dropped. Stored pixels by
 * default, which COCO's annotations count; `exif: "rotate"` turns the image upright first.
 */
export class DetectionImageDecoder {
  constructor(private readonly sharp: Sharp, private readonly options: { readonly exif: "ignore" | "rotate" }) {}

  /** @throws ReviewKdError `SHAPE_MISMATCH` if the size differs from the annotations; sharp's error if it is broken. */
  async decode(encoded: Uint8Array, expected: ExpectedImage): Promise<DecodedImage> {
    // As for classification: warnings of old JPEG files are acceptable, missing data is not.
    const image = this.sharp(encoded, { failOn: "error" });
    const { width, height, autoOrient } = await image.metadata();
    const rotates = this.options.exif === "rotate";
    const [actual, other] = rotates ? [autoOrient, { width, height }] : [{ width, height }, autoOrient];
    if (actual.width !== expected.width || actual.height !== expected.height)
      throw this.#mismatch(expected, actual, other);
    const upright = rotates ? image.autoOrient() : image;
    const { data, info } = await upright.removeAlpha().toColourspace("srgb").raw({ depth: "uchar" }).toBuffer({
      resolveWithObject: true,
    });
    if (info.channels !== 3 || info.width !== actual.width || info.height !== actual.height) {
      throw new ReviewKdError("FILE_UNSUPPORTED",
        `invalid image ${expected.path}: expected ${actual.width}×${actual.height} RGB pixels after decoding, received ` +
          `${info.width}×${info.height} with ${info.channels} channels. Convert it to a JPEG or PNG.`);
    }
    return { pixels: data, height: info.height, width: info.width };
  }

  #mismatch({ path, width, height }: ExpectedImage, actual: { width: number; height: number },
    other: { width: number; height: number }): ReviewKdError {
    const { exif } = this.options;
    const fix = other.width === width && other.height === height
      ? `Its EXIF orientation accounts for it: use exif: "${exif === "ignore" ? "rotate" : "ignore"}".`
      : "Use the image that was annotated, or correct its width and height in the annotations.";
    return new ReviewKdError("SHAPE_MISMATCH",
      `invalid size of ${path}: expected ${width}×${height} (width × height) as annotated, received ${actual.width}×${actual.height}. ${fix}`);
  }
}
