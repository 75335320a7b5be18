import { ReviewKdError } from "../errors.js";
import type { Normalization, StreamSource } from "../config/schemas/data.js";
import type { StreamItem, StreamIterable, StreamPass, StreamPixels, StreamSplit } from "../config/schemas/stream.js";
import { assertAttached, bytesOf, isTypedArray } from "../config/typed-arrays.js";
import { readValues, valueText } from "../config/validation.js";
import type { ImageBlock } from "./feed.js";
import { assertNormalized } from "./float-images.js";
import { ownBlocks } from "./own-images.js";
import { isLabelList, toNativeLabels } from "./labels.js";
import { IMAGENET_NORMALIZATION, StreamedImages } from "./streamed-images.js";
import { untilAborted } from "./until-aborted.js";

export function openStream(source: StreamSource, split: "train" | "test"): StreamedImages {
  const { numClasses, height, width, normalization = IMAGENET_NORMALIZATION } = source;
  const { samples, items } = source[split];
  const limit = split === "train" ? source.limitTrain : source.limitTest;
  const size = Math.min(samples, limit ?? samples);
  const images = { kind: source.kind, split, numClasses, size, height, width, normalization };
  return new StreamedImages({
    ...images,
    layout: source.layout === "chw" ? "planes" : "interleaved",
    produce: ({ share, ...pass }) => {
      const blocks = produce({ items, size, limited: size < samples, imageValues: 3 * height * width, numClasses, pass,
        normalization: source.normalization });
      return share === undefined ? blocks
        : ownBlocks(blocks, { batchSize: pass.batchSize, share }, size, pass.firstBatch);
    },
  });
}

interface Production {
  readonly items: StreamSplit["items"];
  readonly size: number;
  /** The pass uses only the first `size` items; further ones are ignored. */
  readonly limited: boolean;
  readonly imageValues: number;
  readonly normalization: Normalization | undefined;
  readonly numClasses: number;
  readonly pass: StreamPass;
}

/** Validates the items and trims them to the range of the pass. */
async function* produce(production: Production): AsyncGenerator<ImageBlock, void, void> {
  const { items, size, limited, imageValues, pass } = production;
  const made = typeof items === "function";
  // A plain iterable always starts at the first image.
  let position = made ? pass.firstImage : 0;
  // The last block is held back until the iterable ends: surplus images must fail before the epoch completes.
  let held: ImageBlock | undefined;
  let isFirst = true;
  for await (const item of untilAborted(made ? iterable(items(pass)) : items, pass.signal)) {
    const block = readValues(() => blockOf(item, production, position), `item at image ${position} of a stream`);
    if (isFirst) assertNormalized(`image ${position} of a stream`, block.values, production.normalization);
    isFirst = false;
    const end = position + block.labels.length;
    if (held !== undefined || (end > size && !limited)) {
      throw wrongCount(pass, size, "more. Set `samples` to the number of images, or end the iterable.");
    }
    const wanted = part(block, imageValues, Math.max(0, pass.firstImage - position), Math.min(end, size) - position);
    position = end;
    // Copies, because the producer may reuse the arrays while this block is held back.
    if (position >= size && !limited) held = { values: wanted.values.slice(), labels: wanted.labels.slice() };
    else if (wanted.labels.length > 0) yield wanted;
    if (position >= size && limited) return;
  }
  if (held !== undefined) yield held;
  else if (position < size) {
    const remedy = made || position > 0
      ? "Set `samples` to the number of images, or yield that many."
      : "Pass a function that returns a new iterable for each pass, because a generator can be iterated only once.";
    throw wrongCount(pass, size, `${position}. ${remedy}`);
  }
}

/** @throws ReviewKdError `INVALID_ARGUMENT` if the function returned something else. */
function iterable(value: StreamIterable): StreamIterable {
  // The type rules this out; plain JavaScript does not.
  const made: unknown = value;
  if (typeof made === "object" && made !== null && (Symbol.asyncIterator in made || Symbol.iterator in made))
    return value;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid result of a stream's items function: expected an iterable, received ${valueText(made)}.`);
}

function wrongCount(pass: StreamPass, size: number, received: string): ReviewKdError {
  return new ReviewKdError("INVALID_ARGUMENT",
    `invalid ${pass.split} stream: expected ${size} images for epoch ${pass.epoch}, received ${received}`);
}

/** Converts an item to the form that native code takes. */
function blockOf(item: StreamItem, { imageValues, numClasses }: Production, position: number): ImageBlock {
  const { images, labels } = partsOf(item, position);
  if (!isTypedArray(images, "Uint8Array", "Uint8ClampedArray", "Float32Array")) {
    throw new ReviewKdError("DTYPE_MISMATCH",
      `invalid image ${position} of a stream: expected a Uint8Array, Uint8ClampedArray or Float32Array, received ${valueText(images)}.`);
  }
  if (!isLabelList(labels)) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid labels from image ${position} of a stream: expected an array or typed array of class indices, received ${valueText(labels)}.`);
  }
  assertAttached(images, `image ${position} of a stream`);
  const values = isTypedArray(images, "Float32Array") ? images : bytesOf(images);
  if (labels.length === 0 || values.length !== labels.length * imageValues) {
    throw new ReviewKdError("SHAPE_MISMATCH",
      `invalid image ${position} of a stream: expected ${Math.max(1, labels.length) * imageValues} values ` +
        `(${labels.length} labels, ${imageValues} values per image), received ${values.length}.`);
  }
  const place = (index: number): string => "labels" in item ? `labels[${index}]` : "label";
  return { values, labels: toNativeLabels(labels, `label of image ${position} of a stream`, place, numClasses) };
}

function partsOf(item: StreamItem, position: number): { images: StreamPixels; labels: ArrayLike<number | bigint> } {
  // The type rules out anything else; plain JavaScript does not.
  const value = item as unknown;
  if (typeof value === "object" && value !== null) {
    if ("image" in item && "label" in item) return { images: item.image, labels: [item.label] };
    if ("images" in item && "labels" in item) return item;
  }
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid item at image ${position} of a stream: expected { image, label } or { images, labels }, received ${valueText(value)}.`);
}

function part({ values, labels }: ImageBlock, imageValues: number, first: number, last: number): ImageBlock {
  const begin = Math.min(first, last);
  return { values: values.subarray(begin * imageValues, last * imageValues), labels: labels.subarray(begin, last) };
}
