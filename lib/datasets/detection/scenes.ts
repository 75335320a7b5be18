// Drawn scenes for trying detectors: shapes of several classes on a textured background, some behind others. An image
// and its objects are a function of seed, split and index.
import type { DetectionInputOptions, ScenesSource } from "../../config/schemas/detection/data.js";
import { Pacer } from "../../api/pacer.js";
import type { DetectionAnnotations } from "./annotations.js";
import type { DecodedImage } from "../../images/decode-image.js";
import type { ImageReader } from "./detection-images.js";
import { detectionFrom } from "./detection-from.js";
import { runsOfBitmap } from "./rle-string.js";

type Point = readonly [x: number, y: number];

/** Whether a point belongs to the shape of radius 1 around the origin. */
type Shape = (x: number, y: number) => boolean;

const SHAPES: readonly (readonly [name: string, contains: Shape])[] = [
  ["circle", (x, y) => x * x + y * y <= 1],
  ["square", (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= Math.SQRT1_2],
  ["triangle", (x, y) => inPolygon(x, y, regular(3))],
  ["star", (x, y) => inPolygon(x, y, STAR)],
  ["ring", (x, y) => x * x + y * y <= 1 && x * x + y * y >= 0.3],
  ["cross", (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.9 && Math.min(Math.abs(x), Math.abs(y)) <= 0.3],
];

/** Share of an object that others may hide; more would leave nothing to recognise it by. */
const MOST_HIDDEN = 0.4;
/** Places that are tried for an object. */
const ATTEMPTS = 20;

interface SceneObject {
  /** Index of its class. */
  readonly shape: number;
  readonly center: Point;
  readonly radius: number;
  readonly angle: number;
  readonly color: readonly [number, number, number];
}

interface Scene {
  readonly background: readonly [number, number, number];
  /** Brightness gained from one corner to the opposite one, and its direction. */
  readonly slope: Point;
  readonly noise: number;
  /** Back to front. */
  readonly objects: readonly SceneObject[];
  /** For each pixel 1 + the index of the object that is seen there, or 0. */
  readonly owners: Uint8Array;
}

export async function openScenes(source: ScenesSource,
  split: "train" | "test"): Promise<{ annotations: DetectionAnnotations; reader: ImageReader }> {
  const { imageSize: size, numClasses } = source;
  const count = split === "train" ? source.trainSamples : source.testSamples;
  const pacer = new Pacer(undefined, "drawing scenes");
  const images: DetectionInputOptions["images"] = [];
  for (let index = 0; index < count; ++index) {
    images.push(describe(index, sceneOf(source, split, index), size));
    if (pacer.isDue()) await pacer.pause();
  }
  const annotations = await detectionFrom({
    categories: SHAPES.slice(0, numClasses).map(([name], index) => ({ id: index + 1, name })),
    images,
  });
  const read = (index: number): Promise<DecodedImage> =>
    Promise.resolve({ pixels: paint(sceneOf(source, split, index), size, index), height: size, width: size });
  return { annotations, reader: { numWorkers: 1, read } };
}

/** A scene's objects; masks as run lengths, since bitmaps of many images would take their memory. */
function describe(id: number, { objects, owners }: Scene, size: number): DetectionInputOptions["images"][number] {
  const masks = objects.map((_, k) => owners.map((owner) => (owner === k + 1 ? 1 : 0)));
  return { id, width: size, height: size, boxes: masks.map((mask) => boxOf(mask, size)),
    labels: objects.map(({ shape }) => shape + 1), areas: masks.map(sum),
    masks: masks.map((mask) => ({ size: [size, size], counts: runsOfBitmap(mask, size, size) })) };
}

function sceneOf({ seed, numClasses, imageSize: size, maxObjects }: ScenesSource, split: "train" | "test",
  index: number): Scene {
  const random = generator([seed, split === "train" ? 0 : 1, index]);
  const uniform = (low: number, high: number): number => low + (high - low) * random();
  const color = (): [number, number, number] => [uniform(0, 255), uniform(0, 255), uniform(0, 255)];
  const background = color();
  const slope: Point = [uniform(-40, 40), uniform(-40, 40)];
  const objects: SceneObject[] = [];
  const covered: number[][] = [];
  let owners = new Uint8Array(size * size);
  const wanted = 1 + Math.floor(random() * maxObjects);
  for (let attempt = 0; attempt < ATTEMPTS * wanted && objects.length < wanted; ++attempt) {
    const radius = size * uniform(0.08, 0.25);
    const object = { shape: Math.floor(random() * numClasses), radius, angle: uniform(0, 2 * Math.PI),
      center: [uniform(radius, size - radius), uniform(radius, size - radius)] as Point,
      color: distinct(color, background) };
    const next = owners.slice();
    const pixels = pixelsOf(object, size);
    for (const pixel of pixels) next[pixel] = objects.length + 1;
    if (!covered.every((others, k) => isSeen(others, k + 1, next))) continue;
    objects.push(object);
    covered.push(pixels);
    owners = next;
  }
  return { background, slope, noise: uniform(2, 10), objects, owners };
}

/** A color that differs clearly from the background. */
function distinct(color: () => [number, number, number],
  background: readonly [number, number, number]): [number, number, number] {
  for (;;) {
    const found = color();
    const distance = Math.hypot(...found.map((value, channel) => value - (background[channel] as number)));
    if (distance > 100) return found;
  }
}

/** Whether enough of an object's pixels is left. */
function isSeen(pixels: readonly number[], owner: number, owners: Uint8Array): boolean {
  const seen = pixels.reduce((count, pixel) => count + Number(owners[pixel] === owner), 0);
  return seen >= (1 - MOST_HIDDEN) * pixels.length;
}

/** Every pixel whose center is within the object. */
function pixelsOf({ shape, center, radius, angle }: SceneObject, size: number): number[] {
  const contains = (SHAPES[shape] as (typeof SHAPES)[number])[1];
  const [cos, sin] = [Math.cos(angle) / radius, Math.sin(angle) / radius];
  const from = (middle: number): number => Math.max(0, Math.floor(middle - radius));
  const to = (middle: number): number => Math.min(size - 1, Math.ceil(middle + radius));
  const pixels: number[] = [];
  for (let row = from(center[1]); row <= to(center[1]); ++row) {
    for (let column = from(center[0]); column <= to(center[0]); ++column) {
      const [x, y] = [column + 0.5 - center[0], row + 0.5 - center[1]];
      if (contains(x * cos + y * sin, y * cos - x * sin)) pixels.push(row * size + column);
    }
  }
  return pixels;
}

/** RGB bytes `[size, size, 3]`. */
function paint({ background, slope, noise, objects, owners }: Scene, size: number, index: number): Uint8Array {
  const random = generator([index, size]);
  const pixels = new Uint8ClampedArray(3 * size * size);
  for (let pixel = 0; pixel < size * size; ++pixel) {
    const owner = owners[pixel] as number;
    const color = owner === 0 ? background : (objects[owner - 1] as SceneObject).color;
    const light = slope[0] * ((pixel % size) / size - 0.5) + slope[1] * (Math.floor(pixel / size) / size - 0.5) +
      noise * (random() + random() - 1);
    for (let channel = 0; channel < 3; ++channel) pixels[3 * pixel + channel] = (color[channel] as number) + light;
  }
  return new Uint8Array(pixels.buffer);
}

function boxOf(mask: Uint8Array, size: number): [number, number, number, number] {
  let [left, top, right, bottom] = [size, size, 0, 0];
  mask.forEach((value, pixel) => {
    if (value === 0) return;
    const [column, row] = [pixel % size, Math.floor(pixel / size)];
    [left, top] = [Math.min(left, column), Math.min(top, row)];
    [right, bottom] = [Math.max(right, column + 1), Math.max(bottom, row + 1)];
  });
  return [left, top, right, bottom];
}

function sum(mask: Uint8Array): number {
  return mask.reduce((total, value) => total + value, 0);
}

function regular(corners: number): Point[] {
  return Array.from({ length: corners }, (_, k) => {
    const angle = (2 * Math.PI * k) / corners;
    return [Math.cos(angle), Math.sin(angle)] as const;
  });
}

/** Five points, whose inner corners lie at 0.45. */
const STAR: readonly Point[] = Array.from({ length: 10 }, (_, k) => {
  const [angle, radius] = [(Math.PI * k) / 5, k % 2 === 0 ? 1 : 0.45];
  return [radius * Math.cos(angle), radius * Math.sin(angle)] as const;
});

/** By the crossings of a ray to the right. */
function inPolygon(x: number, y: number, corners: readonly Point[]): boolean {
  let inside = false;
  corners.forEach(([x1, y1], k) => {
    const [x2, y2] = corners[(k + 1) % corners.length] as Point;
    if (y1 > y !== y2 > y && x < x1 + ((y - y1) / (y2 - y1)) * (x2 - x1)) inside = !inside;
  });
  return inside;
}

/** Uniform numbers in [0, 1) from a key: mulberry32 on a hash of its parts. */
function generator(key: readonly number[]): () => number {
  let state = key.reduce(
    (hash, part) => Math.imul(hash ^ part ^ Math.floor(part / 2 ** 32), 0x9e3779b1) ^ (hash >>> 15),
    0x85ebca6b,
  );
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}
