import { readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { causedBy, isMissing, ReviewKdError } from "../errors.js";
import { DECODED_TYPES, imagesBelow, UNDECODED_TYPES } from "../images/list-images.js";

/** The images of a split, grouped by class and sorted by name within each class. */
export interface FolderListing {
  /** Relative to the split's folder. */
  readonly paths: readonly string[];
  /** Class index of each image. */
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

/** Number of names listed in a message. */
const NAMES_SHOWN = 5;

/** Lists a data set in ImageNet's layout, classes and files sorted by name so that all machines have one order. */
export async function listImageFolder(root: string): Promise<ImageFolder> {
  const folders = await foldersIn(root);
  const testName = ["val", "test"].find((name) => folders.includes(name));
  if (!folders.includes("train") || testName === undefined) {
    throw new ReviewKdError("FILE_NOT_FOUND",
      `invalid image folder ${root}: expected the folders train and val (or test), received ${some(folders)}. ` +
        `Arrange the images as ${LAYOUT}.`);
  }
  const trainFolder = join(root, "train");
  const testFolder = join(root, testName);
  const classNames = await foldersIn(trainFolder);
  assertSeveralClasses(classNames, trainFolder);
  assertSameClasses(classNames, await foldersIn(testFolder), `${trainFolder} and ${testFolder}`);
  const [train, test] = [await listSplit(trainFolder, classNames), await listSplit(testFolder, classNames)];
  return { classNames, trainFolder, testFolder, train, test };
}

/** The first `limit` images, from each class in turn, in the listing's order; a larger limit includes a smaller one. */
export function limitListing(listing: FolderListing, limit: number | undefined): FolderListing {
  if (limit === undefined || limit >= listing.paths.length) return listing;
  const seen = new Map<number, number>();
  const rounds = listing.labels.map((label, index) => {
    const round = seen.get(label) ?? 0;
    seen.set(label, round + 1);
    return { index, round };
  });
  const kept = rounds.sort((a, b) => a.round - b.round || a.index - b.index).slice(0, limit).map(({ index }) => index)
    .sort((a, b) => a - b);
  return { paths: kept.map((index) => listing.paths[index] as string),
    labels: kept.map((index) => listing.labels[index] as number) };
}

async function listSplit(folder: string, classNames: readonly string[]): Promise<FolderListing> {
  const files: { readonly path: string; readonly label: number }[] = [];
  for (const [label, name] of classNames.entries())
    files.push(...(await imagesIn(join(folder, name))).map((file) => ({ path: join(name, file), label })));
  return { paths: files.map(({ path }) => path), labels: files.map(({ label }) => label) };
}

/** Images below a class folder, recursively. Ignores hidden files and files that are not images. */
async function imagesIn(folder: string): Promise<string[]> {
  const files = await withFolderErrors(folder, () => imagesBelow(folder));
  const undecoded = files.filter((file) => UNDECODED_TYPES.has(extname(file).toLowerCase()));
  if (undecoded[0] !== undefined) {
    throw new ReviewKdError("FILE_UNSUPPORTED",
      `invalid images in ${folder}: expected ${[...DECODED_TYPES].join(" ")}, ` +
        `received ${undecoded.length} of another type, ${undecoded[0]} first. Convert or remove them.`, {
      valid: [...DECODED_TYPES],
    });
  }
  if (files.length === 0) {
    throw new ReviewKdError("FILE_NOT_FOUND",
      `invalid class folder ${folder}: expected at least one image (${[...DECODED_TYPES].join(" ")}), received none. Add images or remove the folder.`);
  }
  return files;
}

/** Sorted names of the subfolders of a folder, including links to folders, without hidden ones. */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = await withFolderErrors(folder, () => readdir(folder, { withFileTypes: true }));
  const names: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    const linked = entry.isSymbolicLink() &&
      (await stat(join(folder, entry.name)).then((target) => target.isDirectory(), () => false));
    if (entry.isDirectory() || linked) names.push(entry.name);
  }
  return names.sort();
}

function assertSeveralClasses(names: readonly string[], folder: string): void {
  if (names.length >= 2) return;
  throw new ReviewKdError("FILE_NOT_FOUND",
    `invalid image folder ${folder}: expected a folder for each of at least 2 classes, received ${some(names)}. Arrange the images as ${LAYOUT}.`);
}

function assertSameClasses(train: readonly string[], test: readonly string[], where: string): void {
  const only = (names: readonly string[], others: readonly string[]): string[] =>
    names.filter((name) => !others.includes(name));
  const [inTrain, inTest] = [only(train, test), only(test, train)];
  if (inTrain.length === 0 && inTest.length === 0) return;
  throw new ReviewKdError("FILE_CORRUPT", `invalid class folders in ${where}: expected the same names in both, ` +
    `received ${some(inTrain)} only in the first and ${some(inTest)} only in the second. Add or remove them.`);
}

function some(names: readonly string[]): string {
  if (names.length === 0) return "none";
  const shown = names.slice(0, NAMES_SHOWN).join(", ");
  return names.length <= NAMES_SHOWN ? shown : `${shown} and ${names.length - NAMES_SHOWN} more`;
}

async function withFolderErrors<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw causedBy(isMissing(error) ? "FILE_NOT_FOUND" : "FILE_ACCESS", `cannot read the image folder ${folder}`, error,
      `Arrange the images as ${LAYOUT}.`);
  }
}
