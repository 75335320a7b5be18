import { createHash } from "node:crypto";
import { join } from "node:path";
import { asSentence, messageOf, ReviewKdError, type ErrorCode } from "../errors.js";
import { addon } from "../native.js";
import type { DataNotice, ImageFolderSource } from "../config/schemas/data.js";
import type { BrokenImage } from "../config/schemas/fit-event.js";
import type { ImageBlock } from "./feed.js";
import { limitListing, listImageFolder, type FolderListing, type ListingOptions } from "./folder-listing.js";
import { ImageDecoder, type Crop } from "./image-decoder.js";
import { loadSharp } from "../images/load-sharp.js";
import { mapInOrder } from "../images/map-in-order.js";
import { isUnread, readImageFile } from "../images/read-image-file.js";
import { Pacer } from "../api/pacer.js";
import { ownPlaces } from "./own-images.js";
import { IMAGENET_NORMALIZATION, StreamedImages, type SharedPass } from "./streamed-images.js";

export interface OpenImageFolder {
  readonly classNames: readonly string[];
  readonly train: StreamedImages;
  readonly test: StreamedImages;
  /** Broken images found so far, each listed once. */
  readonly broken: readonly BrokenImage[];
  readonly notices: readonly DataNotice[];
}

const ON_BROKEN = 'Replace or remove it, or skip broken images with onDecodeError: "skip" ' +
  "(on the command line --on-decode-error skip).";

/** Lists the images and checks that a decoder is installed, without reading any image. */
export async function openImageFolder(source: ImageFolderSource, options: ListingOptions = {},
  sharp = loadSharp): Promise<OpenImageFolder> {
  const { root, imageSize, scale, ratio, limitTrain, limitTest, onDecodeError } = source;
  const decoder = new ImageDecoder(await sharp(), { size: imageSize, scale, ratio });
  const { classNames, notices, ...listed } = await listImageFolder(root, options);
  const broken: BrokenImage[] = [];
  const numWorkers = source.numWorkers ?? addon().availableProcessors();
  const open = (split: "train" | "test", limit: number | undefined): StreamedImages => {
    const listing = limitListing(listed[split] ?? { folder: root, paths: [], labels: [] }, limit);
    const images = new FolderImages({ split, listing, decoder, numWorkers, onDecodeError, broken });
    return new StreamedImages({ kind: source.kind, split, numClasses: classNames.length, size: listing.paths.length,
      height: imageSize, width: imageSize, layout: "interleaved", produce: (pass) => images.produce(pass),
      fingerprint: () => images.fingerprint(), normalization: source.normalization ?? IMAGENET_NORMALIZATION });
  };
  return { classNames, broken, notices, train: open("train", limitTrain), test: open("test", limitTest) };
}

interface FolderOptions extends Pick<ImageFolderSource, "onDecodeError"> {
  readonly split: "train" | "test";
  readonly listing: FolderListing;
  readonly decoder: ImageDecoder;
  readonly numWorkers: number;
  readonly broken: BrokenImage[];
}

/** One split of an image folder: decodes in parallel, yields in order. */
class FolderImages {
  readonly #broken = new Set<number>();

  constructor(private readonly options: FolderOptions) {}

  /** Of the names and classes: reading all files would take as long as an epoch. */
  async fingerprint(): Promise<string> {
    const { paths, labels } = this.options.listing;
    const hash = createHash("sha256");
    const pacer = new Pacer(undefined, "comparing the folders");
    for (const [index, path] of paths.entries()) {
      hash.update(`${labels[index]}\0${path}\0`);
      if (pacer.isDue()) await pacer.pause();
    }
    return hash.digest("hex").slice(0, 16);
  }

  async *produce(pass: SharedPass): AsyncGenerator<ImageBlock, void, void> {
    const { listing, numWorkers } = this.options;
    const order = await addon().dataOrder(listing.paths.length, pass.seed, pass.epoch, pass.shuffle);
    const positions = ownPlaces(pass, order.length, pass.firstBatch);
    for await (const block of mapInOrder(positions, numWorkers, (position) => this.#blockAt(position, order, pass))) {
      if (block !== undefined) yield block;
    }
  }

  /** The image at a position; a broken one is replaced in a shuffled pass, whose steps are fixed, else skipped. */
  async #blockAt(position: number, order: Uint32Array, pass: SharedPass): Promise<ImageBlock | undefined> {
    for (let offset = 0; offset < order.length; ++offset) {
      const index = order[(position + offset) % order.length] as number;
      const crop: Crop = pass.augment ? { kind: "random", seed: pass.seed, epoch: pass.epoch, index }
        : { kind: "center" };
      const values = await this.#decode(index, crop);
      if (values !== undefined) {
        return { values, labels: BigInt64Array.of(BigInt(this.options.listing.labels[index] as number)),
          replaced: offset > 0 ? 1 : 0 };
      }
      if (!pass.shuffle) return undefined;
    }
    throw new ReviewKdError("FILE_CORRUPT",
      `cannot decode any of the ${order.length} images in ${this.options.listing.folder}. Replace the broken files.`);
  }

  /** The image's pixels, or `undefined` if it is broken and may be skipped. */
  async #decode(index: number, crop: Crop): Promise<Uint8Array | undefined> {
    if (this.#broken.has(index)) return undefined;
    const { listing, decoder } = this.options;
    const path = join(listing.folder, listing.paths[index] as string);
    const encoded = await readImageFile(path);
    if (isUnread(encoded)) {
      const { code, reason } = encoded;
      // It was listed.
      this.#skip(index, path, code === "FILE_NOT_FOUND" ? "the file no longer exists" : reason, { code, verb: "read" });
      return undefined;
    }
    try {
      return await decoder.decode(encoded, crop);
    } catch (error) {
      this.#skip(index, path, messageOf(error), { code: "FILE_CORRUPT", verb: "decode", cause: error });
      return undefined;
    }
  }

  #skip(index: number, path: string, reason: string,
    { code, verb, cause }: { readonly code: ErrorCode; readonly verb: string; readonly cause?: unknown }): void {
    if (this.options.onDecodeError === "fail") {
      throw new ReviewKdError(code, `cannot ${verb} the image ${path}: ${asSentence(reason)} ${ON_BROKEN}`, { cause });
    }
    if (this.#broken.has(index)) return;
    this.#broken.add(index);
    this.options.broken.push({ split: this.options.split, path, reason });
  }
}
