import { addon, type NativeWindow } from "../native.js";
import { type CenterCrop, cropCenter, resizedSide, resizeTo, rgbBytes } from "../images/center-crop.js";
import type { Sharp } from "../images/load-sharp.js";

type SharpImage = ReturnType<Sharp>;

/** The part of an image to use: a random crop, seeded by these numbers, or the center. */
export type Crop =
  | { readonly kind: "random"; readonly seed: number; readonly epoch: number; readonly index: number }
  | { readonly kind: "center" };

/** Conversion of image files to network input. */
export interface DecoderOptions {
  /** Height and width of the result in pixels. */
  readonly size: number;
  /** For random crops: fraction of the image's area, and ratio of width to height. */
  readonly scale: readonly [number, number];
  readonly ratio: readonly [number, number];
}

/** Decodes files to RGB bytes `[size, size, 3]`: rotated by EXIF, grey and CMYK converted, alpha dropped. */
export class ImageDecoder {
  readonly #center: CenterCrop;

  constructor(private readonly sharp: Sharp, private readonly options: DecoderOptions) {
    this.#center = { imageSize: [options.size, options.size], resizeSize: resizedSide(options.size) };
  }

  async decode(encoded: Uint8Array, crop: Crop): Promise<Uint8Array> {
    // Old JPEG files cause many warnings, which are acceptable; missing data is not.
    const image = this.sharp(encoded, { failOn: "error" });
    const { width, height } = (await image.metadata()).autoOrient;
    const cropped = crop.kind === "random"
      ? this.#random(image.autoOrient(),
        addon().randomResizedCrop(crop.seed, crop.epoch, crop.index, height, width, this.options))
      : cropCenter(image.autoOrient(), { height, width }, this.#center);
    return rgbBytes(cropped);
  }

  #random(image: SharpImage, { top, left, height, width, flip }: NativeWindow): SharpImage {
    return resizeTo(image.extract({ top, left, height, width }), this.options.size, this.options.size).flop(flip);
  }
}
