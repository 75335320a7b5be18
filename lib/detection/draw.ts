import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import type { Detections } from "../api/detection/detector.js";
import { FilePath } from "../config/file-path.js";
import { Exif } from "../config/schemas/common.js";
import { assertAttached, bytesOf, typedArray, unshared } from "../config/typed-arrays.js";
import { parse } from "../config/validation.js";
import { atCall, ReviewKdError } from "../errors.js";
import { decodePhoto, type DecodedImage } from "../images/decode-image.js";
import { loadSharp, type Sharp } from "../images/load-sharp.js";
import { detectedObjects, type DetectedObject } from "./detected-objects.js";
import { classColor, cssColor, textColor, type Rgb } from "./draw-colors.js";
import { escapeXml, LABEL_FONT, paddingOf, placeLabels, plainText, TextMeasure, type DrawingStyle, type Label,
  type Placed, type Rectangle } from "./draw-labels.js";
import { paintMask } from "./draw-masks.js";
import { encodeAll } from "./masks.js";

/** @internal */
export const DrawOptions = z.strictObject({
  /** The name of each label: `detector.labelNames`. Default, and for labels beyond the list: the number. */
  classNames: z.array(z.string().nullish()).readonly().default([]),
  /** Of the result. */
  format: z.enum(["png", "jpeg", "webp"]).default("png"),
  /** As in the detection: the boxes belong to the stored pixels, or to the image turned upright. */
  exif: Exif.default("ignore"),
});
/** Options of {@link drawDetections}. */
export interface DrawOptions extends z.input<typeof DrawOptions> {}

/** More would hide the picture, and take minutes. */
const MOST_DETECTIONS = 1000;

/** Side of a square picture, in pixels, for which the style's sizes are given. Larger ones get finer lines. */
const STYLE_SIDE = 550;
const STYLE_GROWTH = 0.75;

/** Thin coloured lines would blur where colours are stored at half resolution. */
const ENCODING = { png: {}, jpeg: { quality: 92, chromaSubsampling: "4:4:4" },
  webp: { quality: 92, smartSubsample: true } } as const;

/** From the middle of a line of text to its baseline, relative to the font size: half of a capital's height. */
const BASELINE = 0.36;

/**
 * Draws detections into an image: boxes, masks with their outlines, and labels with scores, in a colour for each class.
 * Text is set in the system's sans-serif font; where objects crowd, labels of the best ones have the room.
 *
 * @param image - an image file that sharp, an optional peer dependency, decodes, or its path.
 * @param detections - of this image, at most 1000; masks of uint8.
 * @returns the encoded picture, in the image's size.
 * @throws ReviewKdError `SHAPE_MISMATCH` if masks are of another size; `INVALID_ARGUMENT`, `DTYPE_MISMATCH`,
 * `DISPOSED`; `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT`, `FILE_UNSUPPORTED`, `DEPENDENCY_MISSING`.
 * @example
 * ```ts
 * const detections = await detector.detect("photo.jpg", { scoreThreshold: 0.5 });
 * await writeFile("found.png", await drawDetections("photo.jpg", detections, { classNames }));
 * ```
 */
export async function drawDetections(image: string | Uint8Array, detections: Detections,
  options: DrawOptions = {}): Promise<Uint8Array> {
  return atCall(drawObjects(image, detections, options));
}

async function drawObjects(image: string | Uint8Array, detections: Detections,
  options: DrawOptions): Promise<Uint8Array> {
  const { classNames, format, exif } = parse(DrawOptions, options, "draw options");
  const given = parse(z.union([FilePath, typedArray("Uint8Array")]), image, "image");
  if (typeof given !== "string") assertAttached(given, "image");
  const source = typeof given === "string" ? given : unshared(bytesOf(given));
  const objects = detectedObjects(detections);
  if (objects.length > MOST_DETECTIONS) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid detections: expected at most ${MOST_DETECTIONS}, received ${objects.length}. Raise scoreThreshold.`);
  }
  const sharp = await loadSharp();
  const decoded = await decodePhoto(sharp, source, exif);
  const style = styleFor(decoded);
  await paintMasks(decoded, detections, objects, style);
  const overlay = await overlayOf(sharp, decoded, objects, classNames, style);
  const { width, height } = decoded;
  return sharp(decoded.pixels, { raw: { width, height, channels: 3 } }).composite([{ input: Buffer.from(overlay) }])
    .removeAlpha().toFormat(format, ENCODING[format]).toBuffer();
}

function styleFor({ width, height }: DecodedImage): DrawingStyle {
  const scale = (Math.sqrt(width * height) / STYLE_SIDE) ** STYLE_GROWTH;
  return { lineWidth: Math.max(1, Math.round(2 * scale)), fontSize: Math.max(9, Math.round(12 * scale)) };
}

/** Paints the best detections last, so that they are on top. */
async function paintMasks(image: DecodedImage, { masks }: Detections, objects: readonly DetectedObject[],
  { lineWidth }: DrawingStyle): Promise<void> {
  if (masks === undefined) return;
  const [, height, width] = masks.shape;
  if (height !== image.height || width !== image.width) {
    throw new ReviewKdError("SHAPE_MISMATCH",
      `invalid masks of detections: expected the image's size ${image.height}×${image.width} (height × width), received ` +
        `${String(height)}×${String(width)}. Draw into the image that was searched, with the same exif option.`);
  }
  const radius = Math.min(127, Math.max(1, Math.round(0.75 * lineWidth)));
  const all = await encodeAll(masks, { compressed: false });
  for (const { label, index } of objects.map((object, index) => ({ ...object, index })).reverse()) {
    paintMask(image, all[index]?.counts as number[], classColor(label), radius);
    await setImmediate();
  }
}

/** Boxes and labels as an SVG of the picture's size, the best ones on top. */
async function overlayOf(sharp: Sharp, picture: DecodedImage, objects: readonly DetectedObject[],
  classNames: readonly (string | null | undefined)[], style: DrawingStyle): Promise<string> {
  const measure = new TextMeasure(sharp, style.fontSize);
  const mostWidth = picture.width - 2 * paddingOf(style);
  const labels: (DetectedObject & Label)[] = [];
  for (const object of objects) {
    const rectangle = rectangleOf(object.box, picture, style.lineWidth);
    if (rectangle === undefined) continue;
    const name = plainText(classNames[object.label] ?? "") || `class ${object.label}`;
    labels.push({ ...object, rectangle, ...await measure.fitting(name, object.score.toFixed(2), mostWidth) });
  }
  const boxes = labels.map((label) => boxSvg(label.rectangle, classColor(label.label), style));
  const texts = placeLabels(labels, style, picture).map((label) => labelSvg(label, classColor(label.label), style));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${picture.width}" height="${picture.height}">` +
    `${boxes.reverse().join("")}${texts.reverse().join("")}</svg>`;
}

/** The middle of a box's border, all of which is within the picture; undefined if the box is outside. */
function rectangleOf([x1, y1, x2, y2]: DetectedObject["box"], { width, height }: DecodedImage, lineWidth: number):
  | Rectangle
  | undefined {
  if (x2 < 0 || y2 < 0 || x1 > width || y1 > height || x2 < x1 || y2 < y1) return undefined;
  // On whole pixels, and within the box, edges are sharp and even.
  const first = (value: number, side: number): number =>
    Math.min(Math.max(0, Math.round(value)), Math.max(0, side - lineWidth)) + lineWidth / 2;
  const last = (value: number, side: number): number => Math.min(Math.round(value), side) - lineWidth / 2;
  const [x, y] = [first(x1, width), first(y1, height)];
  return { x, y, width: Math.max(0, last(x2, width) - x), height: Math.max(0, last(y2, height) - y) };
}

/** A coloured line with a dark edge, which shows on bright and on dark photos. */
function boxSvg(rectangle: Rectangle, color: Rgb, { lineWidth }: DrawingStyle): string {
  const edge = 2 * Math.ceil(lineWidth / 4);
  return rectSvg(rectangle, `fill="none" stroke="#000" stroke-opacity="0.3" stroke-width="${lineWidth + edge}"`) +
    rectSvg(rectangle, `fill="none" stroke="${cssColor(color)}" stroke-width="${lineWidth}"`);
}

function labelSvg({ text, background }: Placed<Label>, color: Rgb, style: DrawingStyle): string {
  const { fontSize } = style;
  const x = background.x + paddingOf(style);
  const baseline = background.y + background.height / 2 + BASELINE * fontSize;
  return rectSvg(background, `rx="${pixels(fontSize / 6)}" fill="${cssColor(color)}"`) +
    `<text x="${pixels(x)}" y="${pixels(baseline)}" font-family="${LABEL_FONT}" font-weight="bold" ` +
    `font-size="${fontSize}" fill="${textColor(color)}">${escapeXml(text)}</text>`;
}

function rectSvg({ x, y, width, height }: Rectangle, style: string): string {
  return `<rect x="${pixels(x)}" y="${pixels(y)}" width="${pixels(width)}" height="${pixels(height)}" ${style}/>`;
}

function pixels(value: number): string {
  return value.toFixed(2);
}
