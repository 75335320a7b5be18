// Data sets of detection: annotations read and checked, images decoded while they are needed.
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Dataset } from "../../api/dataset.js";
import type { LoadProgress } from "../../config/schemas/data.js";
import type { BoxesSource, CocoSource, ProvidedImage, ScenesSource, VocSet,
  VocSource } from "../../config/schemas/detection/data.js";
import type { BrokenImage } from "../../config/schemas/fit-event.js";
import { asSentence, causedBy, messageOf, ReviewKdError } from "../../errors.js";
import { loadSharp } from "../../images/load-sharp.js";
import { IMAGENET_NORMALIZATION } from "../streamed-images.js";
import { DetectionAnnotations } from "./annotations.js";
import { resolveCocoPaths } from "./coco-layout.js";
import type { DecodedImage } from "../../images/decode-image.js";
import { DetectionImageDecoder } from "./detection-image-decoder.js";
import { DetectionImages, type ImageReader } from "./detection-images.js";
import { readCocoAnnotations } from "./read-coco.js";
import { readVocAnnotations, vocSetPath } from "./voc/read-voc.js";
import { openScenes } from "./scenes.js";

/** One split as its source has it. */
interface OpenSplit {
  readonly annotations: DetectionAnnotations;
  readonly reader: ImageReader;
}

type Common = BoxesSource | CocoSource | ScenesSource | VocSource;

/** Options of reading annotations, which takes longest. */
export interface LoadContext {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

export async function cocoDataset(source: CocoSource, context: LoadContext): Promise<Dataset> {
  const paths = await resolveCocoPaths(source);
  const read = (path: string): Promise<DetectionAnnotations> =>
    readCocoAnnotations(path, { invalidBoxes: source.invalidBoxes, signal: context.signal,
      onProgress: ({ bytes, totalBytes }) => {
        context.onProgress?.({ path, unit: "bytes", done: bytes, total: totalBytes });
      } });
  const [train, test] = [await read(paths.train.annotations), await read(paths.val.annotations)];
  requireSameCategories(train, test, paths.val.annotations);
  const broken: BrokenImage[] = [];
  return detectionDataset(source, {
    train: { annotations: train, reader: await fileReader("train", paths.train.images, train, source, broken) },
    test: { annotations: test, reader: await fileReader("test", paths.val.images, test, source, broken) },
  }, broken);
}

export async function vocDataset(source: VocSource, context: LoadContext): Promise<Dataset> {
  const { root, trainSet, testSet, invalidBoxes, masks } = source;
  const read = (set: VocSet, classNames: string[] | undefined): Promise<DetectionAnnotations> =>
    readVocAnnotations(root, { set, invalidBoxes, masks, signal: context.signal,
      ...(classNames !== undefined && { classNames }), onProgress: ({ images, totalImages }) => {
        context.onProgress?.({ path: vocSetPath(root, set, masks), unit: "files", done: images, total: totalImages });
      } });
  const train = await read(trainSet, source.classNames);
  const test = await read(testSet, train.categories.map(({ name }) => name));
  const broken: BrokenImage[] = [];
  const images = join(root, "JPEGImages");
  return detectionDataset(source, {
    train: { annotations: train, reader: await fileReader("train", images, train, source, broken) },
    test: { annotations: test, reader: await fileReader("test", images, test, source, broken) },
  }, broken);
}

export async function boxesDataset(source: BoxesSource): Promise<Dataset> {
  const broken: BrokenImage[] = [];
  const open = async (split: "train" | "test"): Promise<OpenSplit> => {
    const { images, annotations } = source[split];
    if (!(annotations instanceof DetectionAnnotations)) {
      throw new ReviewKdError("INVALID_ARGUMENT",
        `invalid annotations of ${split}: expected DetectionAnnotations, received another object. Pass the result of detectionFrom, readCocoAnnotations or readVocAnnotations.`);
    }
    if (typeof images === "string")
      return { annotations, reader: await fileReader(split, images, annotations, source, broken) };
    return { annotations, reader: provider(images, annotations, source) };
  };
  const [train, test] = [await open("train"), await open("test")];
  requireSameCategories(train.annotations, test.annotations, "the test annotations");
  return detectionDataset(source, { train, test }, broken);
}

/** Images that the caller's function provides. */
function provider(images: (index: number) => ProvidedImage | Promise<ProvidedImage>, annotations: DetectionAnnotations,
  { exif, numWorkers }: BoxesSource): ImageReader {
  let decoder: DetectionImageDecoder | undefined;
  const read = async (index: number): Promise<DecodedImage> => {
    const provided = await images(index);
    if (!(provided instanceof Uint8Array)) return provided;
    decoder ??= new DetectionImageDecoder(await loadSharp(), { exif });
    const { height, width } = annotations.image(index);
    return decoder.decode(provided, { path: `image ${index}`, height, width });
  };
  return { numWorkers: numWorkers ?? availableParallelism(), read };
}

export async function scenesDataset(source: ScenesSource): Promise<Dataset> {
  return detectionDataset(source, { train: await openScenes(source, "train"), test: await openScenes(source, "test") },
    []);
}

function detectionDataset(source: Common, { train, test }: { train: OpenSplit; test: OpenSplit },
  brokenImages: readonly BrokenImage[]): Dataset {
  const { kind, flip, trainSizes, limitTrain, limitTest } = source;
  const { categories } = train.annotations;
  const [trained, tested] = [
    new DetectionImages({ kind, flip, trainSizes, ...train, images: indices(train.annotations, limitTrain, true) }),
    new DetectionImages({ kind, flip: false, ...test, images: indices(test.annotations, limitTest, false) }),
  ];
  return new Dataset({
    kind,
    numClasses: categories.length,
    classNames: categories.map(({ name }) => name),
    normalization: IMAGENET_NORMALIZATION,
    train: trained,
    test: tested,
    brokenImages,
    dispose: () => {
      trained.dispose();
      tested.dispose();
    },
  });
}

/** The first images of a split; of a training those with objects, because crowds alone teach nothing. */
function indices(annotations: DetectionAnnotations, limit: number | undefined, isTraining: boolean): number[] {
  const all = Array.from({ length: annotations.imageCount }, (_, index) => index)
    .filter((index) => !isTraining || annotations.countOf(index, { crowds: false }) > 0);
  if (all.length === 0) {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid ${isTraining ? "training" : "test"} annotations: expected images${isTraining ? " with objects" : ""}, received none. Check the paths of the data set.`);
  }
  return all.slice(0, limit);
}

function requireSameCategories(train: DetectionAnnotations, test: DetectionAnnotations, path: string): void {
  const names = ({ categories }: DetectionAnnotations): string =>
    categories.map(({ id, name }) => `${id} ${name}`).join(", ");
  if (names(train) === names(test)) return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid categories in ${path}: expected those of the training annotations (${names(train)}), received ${names(test)}.`);
}

/** Reads image files of a folder. */
async function fileReader(split: "train" | "test", folder: string, annotations: DetectionAnnotations,
  source: BoxesSource | CocoSource | VocSource, broken: BrokenImage[]): Promise<ImageReader> {
  const decoder = new DetectionImageDecoder(await loadSharp(), { exif: source.exif });
  const skipped = new Set<number>();
  const skip = (index: number, path: string, reason: string, cause?: unknown): void => {
    if (source.onDecodeError === "fail") {
      throw new ReviewKdError("FILE_CORRUPT",
        `cannot decode the image ${path}: ${asSentence(reason)} Replace or remove it, or skip broken images with ` +
          'onDecodeError: "skip" (on the command line --on-decode-error skip).', { cause });
    }
    if (!skipped.has(index)) broken.push({ split, path, reason });
    skipped.add(index);
  };
  const read = async (index: number): Promise<DecodedImage | undefined> => {
    if (skipped.has(index)) return undefined;
    const { fileName, height, width } = annotations.image(index);
    const path = join(folder, fileName);
    const encoded = await readFile(path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw causedBy("FILE_ACCESS", `cannot read the image ${path}`, error, "Check its permissions.");
    });
    if (encoded === undefined) {
      skip(index, path, "the file does not exist");
      return;
    }
    try {
      return await decoder.decode(encoded, { path, height, width });
    } catch (error) {
      if (error instanceof ReviewKdError) throw error;
      skip(index, path, messageOf(error), error);
      return;
    }
  };
  return { numWorkers: source.numWorkers ?? availableParallelism(), read };
}
