// Data sets of detection: annotations read and checked, images decoded while they are needed.
import { join } from "node:path";
import { Dataset } from "../../api/dataset.js";
import type { LoadProgress } from "../../config/schemas/data.js";
import type { BoxesSource, CocoSource, ScenesSource, VocSet, VocSource } from "../../config/schemas/detection/data.js";
import type { BrokenImage } from "../../config/schemas/fit-event.js";
import { ReviewKdError } from "../../errors.js";
import { IMAGENET_NORMALIZATION } from "../streamed-images.js";
import { DetectionAnnotations } from "./annotations.js";
import { resolveCocoPaths } from "./coco-layout.js";
import { DetectionImages, type ImageReader } from "./detection-images.js";
import { BrokenImages, imageFiles, providedImages } from "./image-readers.js";
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
    train: await filesOf("train", paths.train.images, train, source, broken),
    test: await filesOf("test", paths.val.images, test, source, broken),
  }, broken);
}

export async function vocDataset(source: VocSource, context: LoadContext): Promise<Dataset> {
  const { root, trainSet, testSet, invalidBoxes, masks } = source;
  const read = (set: VocSet, classNames: string[] | undefined): Promise<DetectionAnnotations> =>
    readVocAnnotations(root, { set, invalidBoxes, masks, signal: context.signal,
      ...(classNames !== undefined && { classNames }), onProgress: ({ images, totalImages }) => {
        context.onProgress?.({ path: vocSetPath(root, set, masks), unit: "files", done: images, total: totalImages });
      } });
  const namesOf = ({ categories }: DetectionAnnotations): string[] => categories.map(({ name }) => name);
  const [first, second] = [await read(trainSet, source.classNames), await read(testSet, source.classNames)];
  const all = [...new Set([...namesOf(first), ...namesOf(second)])].sort();
  // A class may be in one of the sets alone.
  const complete = async (annotations: DetectionAnnotations, set: VocSet): Promise<DetectionAnnotations> =>
    annotations.categories.length === all.length ? annotations : read(set, all);
  const [train, test] = [await complete(first, trainSet), await complete(second, testSet)];
  const broken: BrokenImage[] = [];
  const images = join(root, "JPEGImages");
  return detectionDataset(source, {
    train: await filesOf("train", images, train, source, broken),
    test: await filesOf("test", images, test, source, broken),
  }, broken);
}

export async function boxesDataset(source: BoxesSource): Promise<Dataset> {
  const reports: BrokenImage[] = [];
  const open = async (split: "train" | "test"): Promise<OpenSplit> => {
    const { images, annotations } = source[split];
    if (!(annotations instanceof DetectionAnnotations)) {
      throw new ReviewKdError("INVALID_ARGUMENT",
        `invalid annotations of ${split}: expected DetectionAnnotations, received another object. Pass the result of detectionFrom, readCocoAnnotations or readVocAnnotations.`);
    }
    if (typeof images === "string") return filesOf(split, images, annotations, source, reports);
    return { annotations,
      reader: providedImages(images, annotations, source, new BrokenImages(split, source.onDecodeError, reports)) };
  };
  const [train, test] = [await open("train"), await open("test")];
  requireSameCategories(train.annotations, test.annotations, "the test annotations");
  return detectionDataset(source, { train, test }, reports);
}

async function filesOf(split: "train" | "test", folder: string, annotations: DetectionAnnotations,
  source: BoxesSource | CocoSource | VocSource, reports: BrokenImage[]): Promise<OpenSplit> {
  const broken = new BrokenImages(split, source.onDecodeError, reports);
  return { annotations, reader: await imageFiles(folder, annotations, source, broken) };
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
    categoryIds: categories.map(({ id }) => id),
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
