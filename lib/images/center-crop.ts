// The pixels of an image file as a classifier sees them in an evaluation: resized, with the center cut out.
import { type decodeImage, type DecodedImage, decodePhoto, type ImageHeader } from "./decode-image.js";
import type { Sharp } from "./load-sharp.js";
import { opaqueGif } from "./opaque-gif.js";
import { uprightWithoutAlpha } from "./without-alpha.js";

type SharpImage = ReturnType<Sharp>;

/** How an image becomes the input of a network. */
export interface CenterCrop {
  /** Height and width of the result in pixels. */
  readonly imageSize: readonly [height: number, width: number];
  /** The short side, in pixels, to which images are resized first; black surrounds those that are then too small. */
  readonly resizeSize: number;
}

/** The short side before the center crop: 256 for a size of 224, the convention for ImageNet. */
export function resizedSide(size: number): number {
  return Math.round((size * 256) / 224);
}

/**
 * Resizes an image and cuts out its center, like torchvision's Resize and CenterCrop, including rounding. Of a result
 * that is no square, `resizeSize` is its own short side before the crop.
 */
export function cropCenter(image: SharpImage, { height, width }: { readonly height: number; readonly width: number },
  { imageSize, resizeSize }: CenterCrop): SharpImage {
  const scale = resizeSize / Math.min(...imageSize);
  const [coveredHeight, coveredWidth] = imageSize.map((side) => Math.round(side * scale)) as [number, number];
  const isWide = height * coveredWidth < width * coveredHeight;
  const [toHeight, toWidth] = isWide ? [coveredHeight, Math.floor((coveredHeight * width) / height)]
    : [Math.floor((coveredWidth * height) / width), coveredWidth];
  const [vertical, horizontal] = [placed(toHeight, imageSize[0]), placed(toWidth, imageSize[1])];
  const resized = resizeTo(image, toHeight, toWidth).extract({ top: vertical.start, height: vertical.length,
    left: horizontal.start, width: horizontal.length });
  return vertical.missing + horizontal.missing === 0 ? resized
    : resized.extend({ top: vertical.before, bottom: vertical.missing - vertical.before, left: horizontal.before,
      right: horizontal.missing - horizontal.before, background: "black" });
}

/** The middle part of a side that is kept, and how many pixels are missing, before it and in all. */
function placed(side: number, wanted: number): { start: number; length: number; before: number; missing: number } {
  const missing = Math.max(0, wanted - side);
  return { start: Math.max(0, roundHalfToEven((side - wanted) / 2)), length: Math.min(side, wanted),
    before: Math.floor(missing / 2), missing };
}

/** Rounds like Python's round(). */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}

/** Bilinear with antialiasing, like torchvision. */
export function resizeTo(image: SharpImage, height: number, width: number): SharpImage {
  // Without fastShrinkOnLoad, a JPEG is loaded at no less than twice this size.
  return image.resize({ height, width, fit: "fill", kernel: "linear", fastShrinkOnLoad: false });
}

/** An image that is not decoded yet, turned upright by its EXIF data. */
interface UprightImage {
  readonly image: SharpImage;
  readonly height: number;
  readonly width: number;
}

/**
 * Opens an image, whose pixels are decoded later.
 *
 * @param check - throws if the header is not acceptable. Default: sharp's own bounds apply.
 */
export async function openUpright(sharp: Sharp, encoded: Uint8Array,
  check?: (header: ImageHeader) => void): Promise<UprightImage> {
  // Old JPEG files cause many warnings, which are acceptable; missing data is not.
  const stored = sharp(opaqueGif(encoded), { failOn: "error", limitInputPixels: check === undefined });
  const { width, height, autoOrient, format, hasAlpha } = await stored.metadata();
  check?.({ format, size: autoOrient, otherSize: { width, height } });
  const image = hasAlpha ? await uprightWithoutAlpha(sharp, stored) : stored.autoOrient();
  return { image, height: autoOrient.height, width: autoOrient.width };
}

/**
 * Decodes the center of a photograph of unknown origin, a file or its content, turned upright by its EXIF data.
 *
 * @param name - of the image in messages. Default: its path or "in memory".
 * @throws ReviewKdError as {@link decodePhoto}.
 */
export function decodeCenter(sharp: Sharp, image: string | Uint8Array, crop: CenterCrop,
  name?: string): Promise<DecodedImage> {
  const decode: typeof decodeImage = async (_, encoded, { check }) => {
    const upright = await openUpright(sharp, encoded, check);
    const pixels = await rgbBytes(cropCenter(upright.image, upright, crop));
    return { pixels, height: crop.imageSize[0], width: crop.imageSize[1] };
  };
  return decodePhoto(sharp, image, "rotate", { name, decode });
}

/** RGB bytes `[height, width, 3]`: grey and CMYK converted, alpha dropped. */
export async function rgbBytes(image: SharpImage): Promise<Uint8Array> {
  const { data, info } = await image.removeAlpha().toColourspace("srgb").raw({ depth: "uchar" }).toBuffer({
    resolveWithObject: true,
  });
  if (info.channels !== 3) throw new Error(`expected 3 channels after decoding, received ${info.channels}`);
  return data;
}
