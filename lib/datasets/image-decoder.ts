import { addon } from "../native.js";
import type { NativeWindow } from "../native-types.js";
import { type CenterCrop, cropCenter, openUpright, resizedSide, resizeTo, rgbBytes } from "../images/center-crop.js";
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
    const { image, height, width } = await openUpright(this.sharp, encoded);
    return rgbBytes(crop.kind === "random"
      ? this.#random(image, addon().randomResizedCrop(crop.seed, crop.epoch, crop.index, height, width, this.options))
      : cropCenter(image, { height, width }, this.#center));
  }

  #random(image: SharpImage, { top, left, height, width, flip }: NativeWindow): SharpImage {
    return resizeTo(image.extract({ top, left, height, width }), this.options.size, this.options.size).flop(flip);
  }
}
