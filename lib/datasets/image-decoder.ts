import { addon, type NativeWindow } from "../native.js";
import type { Sharp } from "../images/load-sharp.js";
import { opaqueGif } from "../images/opaque-gif.js";
import { uprightWithoutAlpha } from "../images/without-alpha.js";

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

/** The short side before the center crop: 256 for a size of 224, the convention for ImageNet. */
export function resizedSide(size: number): number {
  return Math.round((size * 256) / 224);
}

/** Decodes files to RGB bytes `[size, size, 3]`: rotated by EXIF, grey and CMYK converted, alpha dropped. */
export class ImageDecoder {
  constructor(private readonly sharp: Sharp, private readonly options: DecoderOptions) {}

  async decode(encoded: Uint8Array, crop: Crop): Promise<Uint8Array> {
    // Old JPEG files cause many warnings, which are acceptable; missing data is not.
    const stored = this.sharp(opaqueGif(encoded), { failOn: "error" });
    const { hasAlpha, autoOrient: { width, height } } = await stored.metadata();
    const image = hasAlpha ? await uprightWithoutAlpha(this.sharp, stored) : stored.autoOrient();
    const cropped = crop.kind === "random"
      ? this.#random(image, addon().randomResizedCrop(crop.seed, crop.epoch, crop.index, height, width, this.options))
      : this.#center(image, height, width);
    const { data, info } = await cropped.removeAlpha().toColourspace("srgb").raw({ depth: "uchar" }).toBuffer({
      resolveWithObject: true,
    });
    if (info.channels !== 3) throw new Error(`expected 3 channels after decoding, received ${info.channels}`);
    return data;
  }

  #random(image: SharpImage, { top, left, height, width, flip }: NativeWindow): SharpImage {
    return this.#resize(image.extract({ top, left, height, width }), this.options.size, this.options.size).flop(flip);
  }

  /** Matches torchvision's Resize and CenterCrop, including rounding. */
  #center(image: SharpImage, height: number, width: number): SharpImage {
    const { size } = this.options;
    const side = resizedSide(size);
    const [toHeight, toWidth] = height < width
      ? [side, Math.floor((side * width) / height)]
      : [Math.floor((side * height) / width), side];
    return this.#resize(image, toHeight, toWidth)
      .extract({ top: roundHalfToEven((toHeight - size) / 2), left: roundHalfToEven((toWidth - size) / 2), height: size,
        width: size });
  }

  #resize(image: SharpImage, height: number, width: number): SharpImage {
    // Bilinear with antialiasing, like torchvision. Without fastShrinkOnLoad, a JPEG is loaded at no less than twice
    // this size.
    return image.resize({ height, width, fit: "fill", kernel: "linear", fastShrinkOnLoad: false });
  }
}

/** Rounds like Python's round(). */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}
