// A picture as the network saw those that it was tested on: upright, resized, its center cut out.
import { PageError } from "./downloads.js";
import { stripsOf } from "./pixels.js";
import { resize, type Side } from "./resize.js";

export interface Crop {
  readonly height: number;
  readonly width: number;
  /** The short side to which pictures are resized before their center is cut out. */
  readonly resizeSize: number;
}

/** RGB bytes `[height, width, 3]`. */
export async function pixelsOf(file: Blob, crop: Crop): Promise<Uint8ClampedArray<ArrayBuffer>> {
  // Also turns the picture upright, and converts its colors to sRGB.
  const picture = await createImageBitmap(file, { premultiplyAlpha: "none" }).catch(() => {
    const name = file instanceof File ? file.name : "This";
    throw new PageError(`${name} is not a picture that this browser can read. Choose a JPEG, PNG or WebP file.`);
  });
  try {
    const [vertical, horizontal] = sidesOf(picture, crop);
    const center = await resize(stripsOf(picture), horizontal, vertical);
    return surround(center, horizontal, vertical, crop);
  } finally {
    picture.close();
  }
}

/** The resized sides, which cover the center, and what is kept of them; rounded as torchvision does. */
function sidesOf(picture: ImageBitmap, { height, width, resizeSize }: Crop): [vertical: Side, horizontal: Side] {
  const scale = resizeSize / Math.min(height, width);
  const [coveredHeight, coveredWidth] = [Math.round(height * scale), Math.round(width * scale)];
  const isWide = picture.height * coveredWidth < picture.width * coveredHeight;
  const toHeight = isWide ? coveredHeight : Math.floor((coveredWidth * picture.height) / picture.width);
  const toWidth = isWide ? Math.floor((coveredHeight * picture.width) / picture.height) : coveredWidth;
  return [middle(picture.height, toHeight, height), middle(picture.width, toWidth, width)];
}

function middle(from: number, to: number, wanted: number): Side {
  const excess = Math.max(0, to - wanted);
  // Halves are rounded to even numbers, as Python does.
  const start = excess % 4 === 3 ? (excess + 1) / 2 : Math.floor(excess / 2);
  return { from, to, start, length: Math.min(to, wanted) };
}

/** Black around what is smaller than the network's input. */
function surround(center: Uint8ClampedArray<ArrayBuffer>, horizontal: Side, vertical: Side,
  { height, width }: Crop): Uint8ClampedArray<ArrayBuffer> {
  if (vertical.length === height && horizontal.length === width) return center;
  const all = new Uint8ClampedArray(height * width * 3);
  const [top, left] = [Math.floor((height - vertical.length) / 2), Math.floor((width - horizontal.length) / 2)];
  const row = horizontal.length * 3;
  for (let line = 0; line < vertical.length; ++line)
    all.set(center.subarray(line * row, (line + 1) * row), ((top + line) * width + left) * 3);
  return all;
}
