import { readdir, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { messageOf, ReviewKdError } from "../errors.js";

/** The images of a split, class by class, and in each class by name. */
export interface FolderListing {
  /** Relative to the split's folder. */
  readonly paths: readonly string[];
  /** Class index of each. */
  readonly labels: readonly number[];
}

/** A data set in ImageNet's layout. */
export interface ImageFolder {
  readonly classNames: readonly string[];
  /** Folders of the two splits. */
  readonly trainFolder: string;
  readonly testFolder: string;
  readonly train: FolderListing;
  readonly test: FolderListing;
}

const LAYOUT = "root/train/CLASS/*.jpg and root/val/CLASS/*.jpg";

/** What sharp's published builds decode. */
const DECODED = new Set([".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".tif", ".tiff"]);

/** Images that other tools decode; to leave them out in silence would be to train on less than there is. */
const UNDECODED = new Set([".bmp", ".ppm", ".pgm", ".heic", ".jp2", ".jxl"]);

/** As many names are listed in a message. */
const NAMES_SHOWN = 5;

/**
 * Lists a data set in ImageNet's layout: `train` and `val` (or `test`) with a folder for each class. Classes are the sorted
 * names of these folders; files are sorted by name, so that the order is the same everywhere.
 *
 * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`, `FILE_CORRUPT` (train and val differ in their classes),
 * `FILE_UNSUPPORTED` (an image of a type that is not decoded).
 */
export async function listImageFolder(root: string): Promise<ImageFolder> {
  const folders = await foldersIn(root);
  const testName = ["val", "test"].find((name) => folders.includes(name));
  if (!folders.includes("train") || testName === undefined) {
    throw new ReviewKdError(
      "FILE_NOT_FOUND",
      `expected the folders train and val (or test) for an image folder (${LAYOUT}) in ${root}, got ${some(folders)}`,
    );
  }
  const trainFolder = join(root, "train");
  const testFolder = join(root, testName);
  const classNames = await foldersIn(trainFolder);
  refuseFewClasses(classNames, trainFolder);
  refuseOtherClasses(classNames, await foldersIn(testFolder), `${trainFolder} and ${testFolder}`);
  return {
    classNames, trainFolder, testFolder,
    train: await listSplit(trainFolder, classNames),
    test: await listSplit(testFolder, classNames),
  };
}

/**
 * The first `limit` images, taken in turn from each class, so that a small part has all classes; a larger limit only adds
 * to a smaller one. In the order of the whole listing.
 */
export function limitListing(listing: FolderListing, limit: number | undefined): FolderListing {
  if (limit === undefined || limit >= listing.paths.length) return listing;
  const seen = new Map<number, number>();
  const rounds = listing.labels.map((label, index) => {
    const round = seen.get(label) ?? 0;
    seen.set(label, round + 1);
    return { index, round };
  });
  const kept = rounds.sort((a, b) => a.round - b.round || a.index - b.index).slice(0, limit).map(({ index }) => index).sort((a, b) => a - b);
  return { paths: kept.map((index) => listing.paths[index] as string), labels: kept.map((index) => listing.labels[index] as number) };
}

async function listSplit(folder: string, classNames: readonly string[]): Promise<FolderListing> {
  const paths: string[] = [];
  const labels: number[] = [];
  for (const [label, name] of classNames.entries()) {
    const files = await imagesIn(join(folder, name));
    for (const file of files) {
      paths.push(join(name, file));
      labels.push(label);
    }
  }
  return { paths, labels };
}

/** Images below the folder of a class, also in folders within. Hidden files, and files that are no images, do not count. */
async function imagesIn(folder: string): Promise<string[]> {
  const entries = await guarded(folder, () => readdir(folder, { recursive: true }));
  const files = entries.filter((entry) => !basename(entry).startsWith("."));
  const undecoded = files.filter((file) => UNDECODED.has(extname(file).toLowerCase()));
  if (undecoded[0] !== undefined) {
    throw new ReviewKdError(
      "FILE_UNSUPPORTED",
      `expected ${[...DECODED].join(" ")} for the images in ${folder}, got ${undecoded.length} of another type, ${undecoded[0]} first. Convert or remove them.`,
      { valid: [...DECODED] },
    );
  }
  const images = files.filter((file) => DECODED.has(extname(file).toLowerCase())).sort();
  if (images.length === 0) {
    throw new ReviewKdError("FILE_NOT_FOUND", `expected at least one image (${[...DECODED].join(" ")}) for the class in ${folder}, got none`);
  }
  return images;
}

/** Names of the folders in a folder, sorted; links to folders count, hidden ones do not. */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = await guarded(folder, () => readdir(folder, { withFileTypes: true }));
  const names: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    const linked = entry.isSymbolicLink() && (await stat(join(folder, entry.name)).then((target) => target.isDirectory(), () => false));
    if (entry.isDirectory() || linked) names.push(entry.name);
  }
  return names.sort();
}

function refuseFewClasses(names: readonly string[], folder: string): void {
  if (names.length >= 2) return;
  throw new ReviewKdError("FILE_NOT_FOUND", `expected a folder for each of at least 2 classes (${LAYOUT}) in ${folder}, got ${some(names)}`);
}

function refuseOtherClasses(train: readonly string[], test: readonly string[], where: string): void {
  const only = (names: readonly string[], others: readonly string[]): string[] => names.filter((name) => !others.includes(name));
  const [inTrain, inTest] = [only(train, test), only(test, train)];
  if (inTrain.length === 0 && inTest.length === 0) return;
  throw new ReviewKdError(
    "FILE_CORRUPT",
    `expected the same class folders in ${where}, got ${some(inTrain)} in the first alone and ${some(inTest)} in the second alone. Add or remove them.`,
  );
}

function some(names: readonly string[]): string {
  if (names.length === 0) return "none";
  const shown = names.slice(0, NAMES_SHOWN).join(", ");
  return names.length <= NAMES_SHOWN ? shown : `${shown} and ${names.length - NAMES_SHOWN} more`;
}

async function guarded<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const missing = ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
    throw new ReviewKdError(
      missing ? "FILE_NOT_FOUND" : "FILE_ACCESS",
      `expected a folder of images at ${folder}, got: ${messageOf(error)}. An image folder has the layout ${LAYOUT}.`,
      { cause: error },
    );
  }
}
