import { readdir, stat } from "node:fs/promises";
import { basename, isAbsolute, join } from "node:path";
import type { DataNoticeKind, SplitName } from "../config/schemas/data.js";
import { causedBy, isMissing, isReviewKdError, ReviewKdError } from "../errors.js";
import type { DataNotices } from "../images/data-notices.js";
import { typeByName } from "../images/image-types.js";
import { isHidden, sortedNames, unopenableIn } from "../images/walk-images.js";

/** Names of the folders of each split; the first one that exists is used. */
const SPLIT_FOLDERS: Readonly<Record<SplitName, readonly string[]>> = {
  train: ["train", "training"],
  test: ["val", "valid", "validation", "test", "testing"],
};

export const LAYOUT = "root/train/CLASS/*.jpg and root/val/CLASS/*.jpg";

/** Number of names listed in a message. */
const NAMES_SHOWN = 5;

/** A class of a split: its name in Unicode's composed form, and its folder's name as it is on the disk. */
export interface ClassFolder {
  readonly name: string;
  readonly folder: string;
}

/** The folders of the splits of an image folder; a split that is absent was not required. */
export type SplitFolders = Readonly<Partial<Record<SplitName, string>>>;

/**
 * Finds the folders of the splits.
 *
 * @param required - if it is a single split, `root` may be its folder itself.
 * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS`
 */
export async function findSplits(root: string, required: readonly SplitName[],
  notices: DataNotices): Promise<SplitFolders> {
  const names = await foldersIn(root, notices);
  const found = { train: splitAmong(names, "train"), test: splitAmong(names, "test") };
  const missing = required.filter((split) => found[split] === undefined);
  const used = [found.train, found.test].filter((name) => name !== undefined);
  if (missing.length === 0) {
    for (const name of names) if (!used.includes(name)) notices.add("unused-folder", join(root, name));
    return { ...(found.train !== undefined && { train: join(root, found.train) }),
      ...(found.test !== undefined && { test: join(root, found.test) }) };
  }
  const [only] = required;
  if (only !== undefined && required.length === 1 && used.length === 0 && names.length > 0) return { [only]: root };
  const expected = missing.map((split) => (split === "train" ? "train" : "val (or valid, validation, test)"));
  throw new ReviewKdError("FILE_NOT_FOUND",
    `invalid image folder ${root}: expected the folder${missing.length === 1 ? "" : "s"} ${expected.join(" and ")}, ` +
      `received ${some(names)}. ${await remedyFor(root, names, missing, required)}`);
}

async function remedyFor(root: string, names: readonly string[], missing: readonly SplitName[],
  required: readonly SplitName[]): Promise<string> {
  if (isSplitName(basename(root)))
    return `${basename(root)} is the folder of one split: pass the folder that contains it.`;
  if (names.length === 0) return `Arrange the images as ${LAYOUT}.`;
  if (missing.length === 1 && required.length === 1) {
    const [split, other] = missing[0] === "test" ? ["val", "train"] : ["train", "test"];
    return `Rename the folder of this split to ${split}, or evaluate the other one (on the command line --split ${other}).`;
  }
  if (missing.length === 2 && (await holdsImages(join(root, names[0] ?? ""))))
    return `These folders seem to be classes: move some images of each to ${LAYOUT}.`;
  return `Arrange the images as ${LAYOUT}: rename a folder, or move some images of each class to a split of their own.`;
}

/** The folder of a split: by exact name, or else whatever the case of its letters. */
function splitAmong(names: readonly string[], split: SplitName): string | undefined {
  for (const wanted of SPLIT_FOLDERS[split]) {
    const found = names.includes(wanted) ? wanted : names.find((name) => name.toLowerCase() === wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isSplitName(name: string): boolean {
  return [...SPLIT_FOLDERS.train, ...SPLIT_FOLDERS.test].includes(name.toLowerCase());
}

async function holdsImages(folder: string): Promise<boolean> {
  return readdir(folder).then((names) => names.some((name) => typeByName(name) !== "other"), () => false);
}

/** The classes of a split, sorted by name. @throws ReviewKdError `FILE_CORRUPT`: two folders have one name. */
export async function classesIn(folder: string, notices: DataNotices): Promise<ClassFolder[]> {
  const folders = await foldersIn(folder, notices);
  const classes = folders.map((name) => ({ name: name.normalize("NFC"), folder: name }));
  for (const [index, { name }] of classes.entries()) {
    const before = classes[index - 1];
    if (before?.name !== name) continue;
    throw new ReviewKdError("FILE_CORRUPT",
      `invalid class folders in ${folder}: expected each name once, received two folders ${name} whose accented ` +
        `letters are stored in different ways. Move the images of one into the other.`);
  }
  const lower = new Map<string, string>();
  for (const { name } of classes) {
    if (lower.has(name.toLowerCase())) notices.add("similar-classes", join(folder, name));
    lower.set(name.toLowerCase(), name);
  }
  return classes;
}

/** Sorted names of the subfolders of a folder, including links to folders, without hidden ones. */
async function foldersIn(folder: string, notices: DataNotices): Promise<string[]> {
  const entries = await withFolderErrors(folder, () => readdir(folder, { withFileTypes: true }));
  const unopenable = await unopenableIn(folder, entries);
  const names: string[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (isHidden(entry.name)) {
      notices.add("hidden", path);
    } else if (unopenable.has(entry)) {
      notices.add("invalid-name", path);
    } else if (entry.isDirectory()) {
      names.push(entry.name);
    } else if (entry.isSymbolicLink()) {
      const target = await stat(path).catch(() => undefined);
      if (target?.isDirectory() === true) names.push(entry.name);
      else notices.add(target === undefined ? "broken-link" : kindOf(target, path), path);
    } else {
      notices.add(kindOf(entry, path), path);
    }
  }
  return sortedNames(names);
}

/** How something that is no folder is skipped where folders are expected. */
function kindOf(found: { isFile(): boolean }, path: string): DataNoticeKind {
  if (!found.isFile()) return "special-file";
  return typeByName(path) === "other" ? "not-image" : "outside-class";
}

/** The first names of a list, for messages. */
export function some(names: readonly string[]): string {
  if (names.length === 0) return "none";
  const shown = names.slice(0, NAMES_SHOWN).join(", ");
  return names.length <= NAMES_SHOWN ? shown : `${shown} and ${names.length - NAMES_SHOWN} more`;
}

/** @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_ACCESS` for an error of the file system, with its reason. */
export async function withFolderErrors<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isReviewKdError(error)) throw error;
    const statement = `cannot read the image folder ${folder}${isAbsolute(folder) ? "" : ` in ${process.cwd()}`}`;
    throw isMissing(error)
      ? causedBy("FILE_NOT_FOUND", statement, error, `Pass a folder with the images as ${LAYOUT}.`)
      : causedBy("FILE_ACCESS", statement, error, "Check its permissions.");
  }
}
