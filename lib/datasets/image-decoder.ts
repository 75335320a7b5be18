import { addon, type NativeWindow } from "../native.js";
import type { Sharp, SharpImage } from "./load-sharp.js";

/** Which part of an image is wanted: a random one, drawn from these numbers, or the middle. */
export type Crop = { readonly kind: "random"; readonly seed: number; readonly epoch: number; readonly index: number } | { readonly kind: "center" };

/** How photographs become network input. */
export interface DecoderOptions {
  /** Height and width of the result, pixels. */
  readonly size: number;
  /** Of random crops: share of the image's area, and ratio of width to height. */
  readonly scale: readonly [number, number];
  readonly ratio: readonly [number, number];
}

/** The short side before the middle is cut out: 256 for 224, as is usual for ImageNet. */
export function resizedSide(size: number): number {
  return Math.round((size * 256) / 224);
}

/**
 * Decodes image files to RGB bytes of one size, `[size, size, 3]`: turned as their EXIF data say, grey and CMYK converted,
 * alpha dropped.
 */
export class ImageDecoder {
  constructor(private readonly sharp: Sharp, private readonly options: DecoderOptions) {}

  /** @throws whatever sharp throws: the image is broken. */
  async decode(encoded: Uint8Array, crop: Crop): Promise<Uint8Array> {
    // Warnings, of which old JPEG files have many, are no reason to give an image up; missing data are.
    const image = this.sharp(encoded, { failOn: "error" });
    const { width, height } = (await image.metadata()).autoOrient;
    const cropped = crop.kind === "random"
      ? this.#random(image.autoOrient(), addon().randomResizedCrop(crop.seed, crop.epoch, crop.index, height, width, this.options))
      : this.#center(image.autoOrient(), height, width);
    const { data, info } = await cropped.removeAlpha().toColourspace("srgb").raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`expected three channels after decoding, got ${info.channels}`);
    return data;
  }

  #random(image: SharpImage, { top, left, height, width, flip }: NativeWindow): SharpImage {
    return this.#resize(image.extract({ top, left, height, width }), this.options.size, this.options.size).flop(flip);
  }

  /** As torchvision's Resize and CenterCrop, to the rounding. */
  #center(image: SharpImage, height: number, width: number): SharpImage {
    const { size } = this.options;
    const side = resizedSide(size);
    const [toHeight, toWidth] = height < width
      ? [side, Math.floor((side * width) / height)]
      : [Math.floor((side * height) / width), side];
    return this.#resize(image, toHeight, toWidth)
      .extract({ top: roundHalfToEven((toHeight - size) / 2), left: roundHalfToEven((toWidth - size) / 2), height: size, width: size });
  }

  #resize(image: SharpImage, height: number, width: number): SharpImage {
    // Bilinear with antialiasing, as torchvision resizes; shrinking while a JPEG is loaded leaves at least twice the size.
    return image.resize({ height, width, fit: "fill", kernel: "linear", fastShrinkOnLoad: false });
  }
}

/** Python's round(). */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}
