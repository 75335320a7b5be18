// Images as streams, and the same images in memory.
import { setTimeout } from "node:timers/promises";
import { loadDataset, type Batch, type Dataset, type StreamItem, type StreamItems,
  type StreamPass } from "../../../lib/index.js";
import { CLASSES, SIDE } from "../training/small-training.js";
import { uniforms } from "../../support/uniforms.js";

export const VALUES = 3 * SIDE * SIDE;
export const TRAIN = 30;
export const TEST = 10;

export const label = (index: number): number => index % CLASSES;

/** Bytes of one image; each index differs. */
export function pixels(index: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(uniforms(index + 1, VALUES),
    (value, position) => Math.floor(180 * value) + ((label(index) >> (position % 2)) & 1) * 70);
}

export function* images(first: number, count: number): Generator<StreamItem> {
  for (let index = first; index < count; ++index) yield { image: pixels(index), label: label(index) };
}

export interface Overrides {
  readonly train?: StreamItems;
  readonly test?: StreamItems;
  readonly trainSamples?: number;
  readonly rest?: object;
}

export function stream(options: Overrides = {}): Promise<Dataset<Batch>> {
  const { train = (pass: StreamPass) => images(pass.firstImage, TRAIN), test = () => images(0, TEST),
    trainSamples = TRAIN, rest = {} } = options;
  return loadDataset({
    kind: "stream",
    numClasses: CLASSES,
    height: SIDE,
    width: SIDE,
    train: { samples: trainSamples, items: train },
    test: { samples: TEST, items: test },
    ...rest,
  });
}

/** The same images in native memory. */
export function arrays(): Promise<Dataset<Batch>> {
  const split = (count: number): { images: Uint8Array<ArrayBuffer>; labels: number[] } => {
    const indices = Array.from({ length: count }, (_, index) => index);
    return { images: Uint8Array.from(indices.flatMap((index) => [...pixels(index)])), labels: indices.map(label) };
  };
  return loadDataset({
    kind: "arrays",
    numClasses: CLASSES,
    height: SIDE,
    width: SIDE,
    train: split(TRAIN),
    test: split(TEST),
    normalization: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  });
}

export interface Read {
  readonly labels: number[][];
  readonly values: number[];
}

export async function read(data: Dataset<Batch>, batchSize: number,
  options: { dropLast?: boolean } = {}): Promise<Read> {
  const result: Read = { labels: [], values: [] };
  for await (const batch of data.train.batches({ batchSize, shuffle: false, augment: false, ...options })) {
    result.labels.push(Array.from(batch.labels.toTypedArray(), Number));
    result.values.push(...Array.from(batch.images.toTypedArray(), Number));
  }
  return result;
}

export async function* later(items: Iterable<StreamItem>): AsyncGenerator<StreamItem> {
  for (const item of items) {
    await setTimeout(0);
    yield item;
  }
}

/** Images in pieces of these sizes, repeatedly. */
export function* inPieces(sizes: readonly number[],
  make: (index: number) => Uint8Array | Float32Array = pixels): Generator<StreamItem> {
  for (let first = 0, turn = 0; first < TRAIN; ++turn) {
    const indices = Array.from({ length: Math.min(sizes[turn % sizes.length]!, TRAIN - first) }, (_, offset) =>
      first + offset);
    const parts = indices.map(make);
    const all = parts[0] instanceof Float32Array ? new Float32Array(indices.length * VALUES)
      : new Uint8Array(indices.length * VALUES);
    parts.forEach((part, index) => {
      all.set(part, index * VALUES);
    });
    yield { images: all, labels: indices.map(label) };
    first += indices.length;
  }
}

/** Converts planes to interleaved values. */
export const interleaved = (planes: Uint8Array): Uint8Array =>
  Uint8Array.from({ length: VALUES }, (_, at) => planes[(at % 3) * SIDE * SIDE + Math.floor(at / 3)]!);
