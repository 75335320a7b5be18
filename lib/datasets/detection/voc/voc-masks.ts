// Masks of Pascal VOC: a PNG for each image, in which pixel k belongs to object k of the XML file.
import { setImmediate } from "node:timers/promises";
import { asSentence, messageOf, ReviewKdError } from "../../../errors.js";
import type { Sharp } from "../../../images/load-sharp.js";
import { readNumberPng, type NumberPng } from "./palette-png.js";
import { compressRuns } from "../rle-string.js";

/** The mask of one object, as COCO's compressed runs. */
export interface ObjectMask {
  readonly characters: Uint8Array;
  /** Its pixels. */
  readonly area: number;
}

/** The image and the objects that masks should be of. */
export interface MaskedImage {
  /** The path of the masks, for messages, and of the XML file. */
  readonly path: string;
  readonly xml: string;
  readonly width: number;
  readonly height: number;
  /** Number of objects. */
  readonly count: number;
}

/** Pixels between the objects, which belong to none. */
const VOID = 255;
/** 64 MB decoded, far above any photograph with masks. */
const MOST_PIXELS = 2 ** 26;
/** Runs of all objects of an image: outlines have thousands. */
const MOST_RUNS = 2 ** 22;
/** Pixels between two turns of the event loop: about a millisecond. */
const TURN = 2 ** 18;

const FIX = "Pass the files of SegmentationObject as they are published: PNGs with a palette.";

/**
 * The masks of the objects of an image; undefined for an object without a pixel.
 *
 * @throws ReviewKdError `FILE_CORRUPT`, `FILE_UNSUPPORTED`
 */
export async function decodeObjectMasks(sharp: Sharp, file: Buffer,
  image: MaskedImage): Promise<(ObjectMask | undefined)[]> {
  const { path, width, height, count } = image;
  const png = readNumberPng(file);
  if (typeof png === "string") throw unsupported(path, "a PNG whose pixels are numbers of objects", png);
  if (png.width !== width || png.height !== height) {
    throw new ReviewKdError("FILE_CORRUPT",
      `invalid size of ${path}: expected ${width}×${height} (width × height) as in ${image.xml}, received ${png.width}×${png.height}. Correct one of the files.`);
  }
  if (width * height > MOST_PIXELS) throw unsupported(path, `at most ${MOST_PIXELS} pixels`, `${width}×${height}`);
  const numbers = await numbersOf(sharp, png, path);
  const runs = Array.from({ length: count }, () => new Runs());
  await collectRuns(numbers, runs, image);
  return runs.map((own) => own.maskOf(width * height));
}

/** The pixels, in rows. */
async function numbersOf(sharp: Sharp, { grey, depth, width, height }: NumberPng, path: string): Promise<Uint8Array> {
  let pixels: Uint8Array;
  try {
    pixels = await sharp(grey, { failOn: "error" }).extractChannel(0).raw({ depth: "uchar" }).toBuffer();
  } catch (error) {
    throw new ReviewKdError("FILE_CORRUPT",
      `cannot decode the masks ${path}: ${asSentence(messageOf(error))} Replace the file.`, { cause: error });
  }
  if (pixels.length !== width * height) throw unsupported(path, "one number for each pixel", "others");
  const scale = VOID / (2 ** depth - 1);
  return scale === 1 ? pixels : pixels.map((value) => value / scale);
}

/** Runs of one object, column by column. */
class Runs {
  readonly #lengths: number[] = [];
  #end = 0;
  #area = 0;

  /** Adds the pixels from `begin` to before `end`. */
  add(begin: number, end: number): void {
    this.#lengths.push(begin - this.#end, end - begin);
    this.#end = end;
    this.#area += end - begin;
  }

  maskOf(pixels: number): ObjectMask | undefined {
    if (this.#area === 0) return undefined;
    const rest = pixels - this.#end;
    return { characters: compressRuns(rest > 0 ? [...this.#lengths, rest] : this.#lengths), area: this.#area };
  }
}

async function collectRuns(numbers: Uint8Array, runs: readonly Runs[],
  { path, xml, width, height, count }: MaskedImage): Promise<void> {
  let [number, begin, total] = [0, 0, 0];
  const close = (end: number): void => {
    if (number === 0 || number === VOID) return;
    const own = runs[number - 1];
    if (own === undefined) {
      throw new ReviewKdError("FILE_CORRUPT",
        `invalid masks ${path}: expected the numbers of the ${count} objects in ${xml}, or ${VOID} between them, received ${number}. Correct one of the files.`);
    }
    if (++total > MOST_RUNS) throw unsupported(path, "outlines of objects", "noise");
    own.add(begin, end);
  };
  for (let column = 0; column < width; ++column) {
    if ((column * height) % TURN < height) await setImmediate();
    for (let row = 0; row < height; ++row) {
      const next = numbers[row * width + column] as number;
      if (next === number) continue;
      const at = column * height + row;
      close(at);
      [number, begin] = [next, at];
    }
  }
  close(width * height);
}

function unsupported(path: string, expected: string, received: string): ReviewKdError {
  return new ReviewKdError("FILE_UNSUPPORTED",
    `invalid masks ${path}: expected ${expected}, received ${received}. ${FIX}`);
}
