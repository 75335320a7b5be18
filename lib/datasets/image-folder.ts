import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { messageOf, ReviewKdError } from "../errors.js";
import { addon } from "../native.js";
import type { ImageFolderSource } from "../config/schemas/data.js";
import type { BrokenImage } from "../config/schemas/events.js";
import type { StreamPass } from "../config/schemas/stream.js";
import type { ImageBlock } from "./feed.js";
import { limitListing, listImageFolder, type FolderListing } from "./folder-listing.js";
import { ImageDecoder, type Crop } from "./image-decoder.js";
import { loadSharp } from "./load-sharp.js";
import { mapInOrder } from "./map-in-order.js";
import { IMAGENET_NORMALIZATION } from "./normalization.js";
import { StreamedImages } from "./streamed-images.js";

/** What {@link openImageFolder} finds. */
export interface OpenImageFolder {
  readonly classNames: readonly string[];
  readonly train: StreamedImages;
  readonly test: StreamedImages;
  /** Grows as broken images are met; each is named once. */
  readonly broken: readonly BrokenImage[];
}

/** Lists the images and makes sure that they can be decoded; none is read yet. */
export async function openImageFolder(source: ImageFolderSource, sharp = loadSharp): Promise<OpenImageFolder> {
  const { root, imageSize, scale, ratio, limitTrain, limitTest, onDecodeError } = source;
  const decoder = new ImageDecoder(await sharp(), { size: imageSize, scale, ratio });
  const { classNames, trainFolder, testFolder, train, test } = await listImageFolder(root);
  const broken: BrokenImage[] = [];
  const numWorkers = source.numWorkers ?? availableParallelism();
  const open = (split: "train" | "test", folder: string, listing: FolderListing): StreamedImages => {
    const images = new FolderImages({ split, folder, listing, decoder, numWorkers, onDecodeError, broken });
    return new StreamedImages({
      kind: source.kind, split, numClasses: classNames.length, size: listing.paths.length, height: imageSize, width: imageSize,
      layout: "interleaved", normalization: source.normalization ?? IMAGENET_NORMALIZATION, produce: (pass) => images.produce(pass),
    });
  };
  return {
    classNames, broken,
    train: open("train", trainFolder, limitListing(train, limitTrain)),
    test: open("test", testFolder, limitListing(test, limitTest)),
  };
}

interface FolderOptions {
  readonly split: "train" | "test";
  readonly folder: string;
  readonly listing: FolderListing;
  readonly decoder: ImageDecoder;
  readonly numWorkers: number;
  readonly onDecodeError: "fail" | "skip";
  readonly broken: BrokenImage[];
}

/** One split of an image folder: decodes in parallel, hands out in order. */
class FolderImages {
  /** Indices of images that turned out to be broken. */
  readonly #broken = new Set<number>();

  constructor(private readonly options: FolderOptions) {}

  async *produce(pass: StreamPass): AsyncGenerator<ImageBlock, void, void> {
    const { listing, numWorkers } = this.options;
    const order = await addon().dataOrder(listing.paths.length, pass.seed, pass.epoch, pass.shuffle);
    const positions = range(pass.firstImage, order.length);
    for await (const block of mapInOrder(positions, numWorkers, (position) => this.#blockAt(position, order, pass))) {
      if (block !== undefined) yield block;
    }
  }

  /**
   * The image at a position of the order. A broken one is replaced by the next that is not, so that batches and steps stay
   * what they were; in a pass that is not shuffled, an evaluation say, each image counts once, and it is left out.
   */
  async #blockAt(position: number, order: Uint32Array, pass: StreamPass): Promise<ImageBlock | undefined> {
    for (let offset = 0; offset < order.length; ++offset) {
      const index = order[(position + offset) % order.length] as number;
      const crop: Crop = pass.augment ? { kind: "random", seed: pass.seed, epoch: pass.epoch, index } : { kind: "center" };
      const values = await this.#decode(index, crop);
      if (values !== undefined) {
        return { values, labels: BigInt64Array.of(BigInt(this.options.listing.labels[index] as number)), replaced: offset > 0 ? 1 : 0 };
      }
      if (!pass.shuffle) return undefined;
    }
    throw new ReviewKdError("FILE_CORRUPT", `expected an image that can be decoded in ${this.options.folder}, got ${order.length} broken ones`);
  }

  /** The image's pixels, or nothing where it is broken and may be skipped. */
  async #decode(index: number, crop: Crop): Promise<Uint8Array | undefined> {
    if (this.#broken.has(index)) return undefined;
    const { folder, listing, decoder } = this.options;
    const path = join(folder, listing.paths[index] as string);
    const encoded = await readFile(path).catch((error: unknown) => {
      refuseUnreadable(path, error);
    });
    try {
      if (encoded !== undefined) return await decoder.decode(encoded, crop);
      this.#skip(index, path, "the file is not there any more");
    } catch (error) {
      this.#skip(index, path, messageOf(error), error);
    }
    return undefined;
  }

  #skip(index: number, path: string, reason: string, cause?: unknown): void {
    if (this.options.onDecodeError === "fail") {
      throw new ReviewKdError(
        "FILE_CORRUPT",
        `expected an image that can be decoded at ${path}, got: ${reason}. Replace or remove it, or leave broken images out with ` +
          'onDecodeError: "skip" (on the command line --on-decode-error skip).',
        { cause },
      );
    }
    if (this.#broken.has(index)) return;
    this.#broken.add(index);
    this.options.broken.push({ split: this.options.split, path, reason });
  }
}

/** A file that is gone counts as broken; one that cannot be read says nothing of the data. */
function refuseUnreadable(path: string, error: unknown): void {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
  throw new ReviewKdError("FILE_ACCESS", `expected to read the image ${path}, got: ${messageOf(error)}`, { cause: error });
}

function* range(first: number, end: number): Generator<number, void, void> {
  for (let value = first; value < end; ++value) yield value;
}
