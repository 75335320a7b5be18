// Data sets of detection: annotations read and checked, images decoded while they are needed.
import { join } from "node:path";
import { Dataset } from "../../api/dataset.js";
import type { LoadProgress, SplitName } from "../../config/schemas/data.js";
import type { BoxesSource, CocoSource, ScenesSource, VocSet, VocSource } from "../../config/schemas/detection/data.js";
import type { BrokenImage } from "../../config/schemas/fit-event.js";
import { isReviewKdError, ReviewKdError } from "../../errors.js";
import { knownClasses } from "../known-classes.js";
import { IMAGENET_NORMALIZATION } from "../streamed-images.js";
import { DetectionAnnotations } from "./annotations.js";
import { resolveCocoPaths, type CocoSplitPaths } from "./coco-layout.js";
import { DetectionImages, type ImageReader } from "./detection-images.js";
import { BrokenImages, imageFiles, providedImages } from "./image-readers.js";
import { readCocoAnnotations } from "./read-coco.js";
import { readVocAnnotations, vocSetPath } from "./voc/read-voc.js";
import { openScenes } from "./scenes.js";

/** One split as its source has it. */
interface OpenSplit {
  readonly annotations: DetectionAnnotations;
  readonly reader: ImageReader;
  /** Whether the split has no images, because it is not needed. */
  readonly isUnused?: boolean;
}

type Common = BoxesSource | CocoSource | ScenesSource | VocSource;

/** Options of reading annotations, which takes longest. */
export interface LoadContext {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/** The splits that are needed, another one is not read and empty; and the classes of a network. */
export interface Selection {
  readonly splits: readonly SplitName[];
  readonly classNames?: readonly string[] | undefined;
}

export async function cocoDataset(source: CocoSource, context: LoadContext, { splits }: Selection): Promise<Dataset> {
  const read = (path: string): Promise<DetectionAnnotations> =>
    readCocoAnnotations(path, { invalidBoxes: source.invalidBoxes, signal: context.signal,
      onProgress: ({ bytes, totalBytes }) => {
        context.onProgress?.({ path, unit: "bytes", done: bytes, total: totalBytes });
      } });
  const broken: BrokenImage[] = [];
  const find = async (split: SplitName): Promise<CocoSplitPaths | undefined> =>
    splits.includes(split) ? resolveCocoPaths(source, split === "train" ? "train" : "val") : undefined;
  const open = async (split: SplitName, paths: CocoSplitPaths | undefined): Promise<OpenSplit | undefined> =>
    paths && filesOf(split, paths.images, await read(paths.annotations), source, broken);
  // Reading takes long: what is missing is found before.
  const paths = { train: await find("train"), test: await find("test") };
  const [train, test] = [await open("train", paths.train), await open("test", paths.test)];
  if (train !== undefined && test !== undefined)
    requireSameCategories(train.annotations, test.annotations, paths.test?.annotations ?? "");
  return detectionDataset(source, withUnused(train, test), broken);
}

/** Both splits, one of which is empty if it is not needed. */
function withUnused(train: OpenSplit | undefined, test: OpenSplit | undefined): { train: OpenSplit; test: OpenSplit } {
  const only = (train ?? test) as OpenSplit;
  return { train: train ?? { ...only, isUnused: true }, test: test ?? { ...only, isUnused: true } };
}

export async function vocDataset(source: VocSource, context: LoadContext,
  { splits, classNames: known }: Selection): Promise<Dataset> {
  const { root, trainSet, testSet, invalidBoxes, masks } = source;
  const read = (set: VocSet, classNames: readonly string[] | undefined): Promise<DetectionAnnotations> =>
    readVocAnnotations(root, { set, invalidBoxes, masks, signal: context.signal,
      ...(classNames !== undefined && { classNames: [...classNames] }), onProgress: ({ images, totalImages }) => {
        context.onProgress?.({ path: vocSetPath(root, set, masks), unit: "files", done: images, total: totalImages });
      } });
  const sets = { train: trainSet, test: testSet };
  const found = new Map<SplitName, DetectionAnnotations>();
  for (const split of splits) found.set(split, await read(sets[split], source.classNames));
  // A class may be in one of the sets alone, or known to the network alone.
  let own = classesOf([...found.values()]);
  const ofNetwork = source.classNames === undefined ? knownClasses(own, known) : own;
  if (ofNetwork === undefined && splits.length === 1) {
    const other = await read(splits[0] === "train" ? testSet : trainSet, undefined).catch(undefinedIfMissing);
    if (other !== undefined) own = classesOf([...found.values(), other]);
  }
  const all = ofNetwork ?? own;
  const broken: BrokenImage[] = [];
  const open = async (split: SplitName): Promise<OpenSplit | undefined> => {
    const annotations = found.get(split);
    if (annotations === undefined) return undefined;
    const isComplete = annotations.categories.length === all.length;
    return filesOf(split, join(root, "JPEGImages"), isComplete ? annotations : await read(sets[split], all), source,
      broken);
  };
  return detectionDataset(source, withUnused(await open("train"), await open("test")), broken);
}

/** The names of all classes, sorted. */
function classesOf(annotations: readonly DetectionAnnotations[]): string[] {
  return [...new Set(annotations.flatMap(({ categories }) => categories.map(({ name }) => name)))].sort();
}

function undefinedIfMissing(error: unknown): undefined {
  if (!isReviewKdError(error) || error.code !== "FILE_NOT_FOUND") throw error;
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
  const imagesOf = ({ annotations, isUnused = false }: OpenSplit, limit: number | undefined,
    isTraining: boolean): number[] => isUnused ? [] : indices(annotations, limit, isTraining);
  const [trained, tested] = [
    new DetectionImages({ kind, flip, trainSizes, ...train, images: imagesOf(train, limitTrain, true) }),
    new DetectionImages({ kind, flip: false, ...test, images: imagesOf(test, limitTest, false) }),
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
    categories.map(({ id, name }) => `${id} ${name.normalize("NFC")}`).join(", ");
  if (names(train) === names(test)) return;
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid categories in ${path}: expected those of the training annotations (${names(train)}), received ${names(test)}.`);
}
