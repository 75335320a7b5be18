import type { Exif } from "../../config/schemas/common.js";
import { ReviewKdError } from "../../errors.js";
import { decodeImage, type DecodedImage, type ImageHeader } from "../../images/decode-image.js";
import type { Sharp } from "../../images/load-sharp.js";

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
  constructor(private readonly sharp: Sharp, private readonly options: { readonly exif: Exif }) {}

  /** @throws ReviewKdError `SHAPE_MISMATCH` if the size differs from the annotations; sharp's error if it is broken. */
  async decode(encoded: Uint8Array, expected: ExpectedImage): Promise<DecodedImage> {
    const check = ({ size, otherSize }: ImageHeader): void => {
      if (size.width !== expected.width || size.height !== expected.height)
        throw this.#mismatch(expected, size, otherSize);
    };
    return decodeImage(this.sharp, encoded, { name: expected.path, exif: this.options.exif, check });
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
