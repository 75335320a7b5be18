import { ReviewKdError } from "../errors.js";
import type { StreamSource } from "../config/schemas/data.js";
import type { StreamItem, StreamIterable, StreamPass, StreamPixels, StreamSplit } from "../config/schemas/stream.js";
import { valueText } from "../config/validation.js";
import type { ImageBlock } from "./feed.js";
import { IMAGENET_NORMALIZATION } from "./normalization.js";
import { StreamedImages } from "./streamed-images.js";
import { untilAborted } from "./until-aborted.js";

/** A split of a streamed data set. */
export function openStream(source: StreamSource, split: "train" | "test"): StreamedImages {
  const { numClasses, height, width, normalization = IMAGENET_NORMALIZATION } = source;
  const { samples, items } = source[split];
  const limit = split === "train" ? source.limitTrain : source.limitTest;
  const size = Math.min(samples, limit ?? samples);
  return new StreamedImages({
    kind: source.kind, split, numClasses, size, height, width, normalization,
    layout: source.layout === "chw" ? "planes" : "interleaved",
    produce: (pass) => produce({ items, size, limited: size < samples, imageValues: 3 * height * width, pass }),
  });
}

interface Production {
  readonly items: StreamSplit["items"];
  /** Images in a whole pass. */
  readonly size: number;
  /** More may come, which nobody wants. */
  readonly limited: boolean;
  /** Values of one image. */
  readonly imageValues: number;
  readonly pass: StreamPass;
}

/** Checks the items and cuts them to what the pass needs. */
async function* produce(production: Production): AsyncGenerator<ImageBlock, void, void> {
  const { items, size, limited, imageValues, pass } = production;
  const made = typeof items === "function";
  // What is not told where to begin begins at the first image.
  let position = made ? pass.firstImage : 0;
  // The last block waits until it is known that nothing follows: an epoch shall not be finished with the wrong images.
  let held: ImageBlock | undefined;
  for await (const item of untilAborted(made ? iterable(items(pass)) : items, pass.signal)) {
    const block = blockOf(item, imageValues, position);
    const end = position + block.labels.length;
    if (held !== undefined || (end > size && !limited)) {
      throw wrongCount(pass, size, `more: say so in \`samples\`, or end the iterable`);
    }
    const wanted = part(block, imageValues, Math.max(0, pass.firstImage - position), Math.min(end, size) - position);
    position = end;
    if (position >= size && !limited) held = copied(wanted);
    else if (wanted.labels.length > 0) yield wanted;
    if (position >= size && limited) return;
  }
  if (held !== undefined) yield held;
  else if (position < size) {
    const remedy = made || position > 0
      ? "say so in `samples`, or make as many"
      : "what can be gone through only once, a generator say, is made anew for each pass by a function";
    throw wrongCount(pass, size, `${position}: ${remedy}`);
  }
}

/** @throws ReviewKdError `INVALID_ARGUMENT` where a function returned something else. */
function iterable(value: StreamIterable): StreamIterable {
  // The type forbids it; JavaScript does not.
  const made: unknown = value;
  if (typeof made === "object" && made !== null && (Symbol.asyncIterator in made || Symbol.iterator in made)) return value;
  throw new ReviewKdError("INVALID_ARGUMENT", `expected an iterable from the items function of a stream, got ${valueText(made)}`);
}

function wrongCount(pass: StreamPass, size: number, got: string): ReviewKdError {
  return new ReviewKdError("INVALID_ARGUMENT", `expected ${size} images from the ${pass.split} stream for epoch ${pass.epoch}, got ${got}`);
}

/** Brings an item into the form in which native code takes it. */
function blockOf(item: StreamItem, imageValues: number, position: number): ImageBlock {
  const { images, labels } = partsOf(item, position);
  const values = images instanceof Uint8ClampedArray ? new Uint8Array(images.buffer, images.byteOffset, images.length) : images;
  if (!(values instanceof Uint8Array || values instanceof Float32Array)) {
    throw new ReviewKdError("DTYPE_MISMATCH", `expected a Uint8Array or Float32Array for image ${position} of a stream, got ${valueText(values)}`);
  }
  if (labels.length === 0 || values.length !== labels.length * imageValues) {
    throw new ReviewKdError(
      "SHAPE_MISMATCH",
      `expected ${Math.max(1, labels.length) * imageValues} values for image ${position} of a stream ` +
        `(${labels.length} labels, ${imageValues} values an image), got ${values.length}`,
    );
  }
  return { values, labels: labels instanceof BigInt64Array ? labels : BigInt64Array.from(Array.from(labels, (label) => labelOf(label, position))) };
}

function partsOf(item: StreamItem, position: number): { images: StreamPixels; labels: ArrayLike<number | bigint> } {
  // The type has one of the two; JavaScript may have anything.
  const given = item as unknown;
  if (typeof given === "object" && given !== null) {
    if ("image" in item && "label" in item) return { images: item.image, labels: [item.label] };
    if ("images" in item && "labels" in item) return item;
  }
  throw new ReviewKdError("INVALID_ARGUMENT", `expected { image, label } or { images, labels } for image ${position} of a stream, got ${valueText(given)}`);
}

function labelOf(label: number | bigint, position: number): bigint {
  if (typeof label === "bigint" || Number.isSafeInteger(label)) return BigInt(label);
  throw new ReviewKdError("LABEL_OUT_OF_RANGE", `expected a whole number for the label of image ${position} of a stream, got ${valueText(label)}`);
}

function part({ values, labels }: ImageBlock, imageValues: number, first: number, last: number): ImageBlock {
  const begin = Math.min(first, last);
  return { values: values.subarray(begin * imageValues, last * imageValues), labels: labels.subarray(begin, last) };
}

/** Its maker may use the arrays again while this block waits. */
function copied({ values, labels }: ImageBlock): ImageBlock {
  return { values: values.slice(), labels: labels.slice() };
}
