import { dirname, join } from "node:path";
import type { DataNotice, SplitName } from "../config/schemas/data.js";
import { ReviewKdError } from "../errors.js";
import { DataNotices, printableName } from "../images/data-notices.js";
import { hasDecodedContent, PROPOSED_TYPES } from "../images/image-types.js";
import { mapInOrder } from "../images/map-in-order.js";
import { walkImages, type WalkedImages } from "../images/walk-images.js";
import { knownClasses } from "./known-classes.js";
import { classesIn, findSplits, LAYOUT, some, withFolderErrors, type ClassFolder } from "./split-folders.js";

/** The images of a split, grouped by class and sorted by name within each class. */
export interface FolderListing {
  /** The split's folder. */
  readonly folder: string;
  /** Relative to it. */
  readonly paths: readonly string[];
  /** Class index of each image. */
  readonly labels: readonly number[];
}

/** A data set in ImageNet's layout. */
export interface ImageFolder {
  /** In Unicode's composed form, whatever that of the folders' names is. */
  readonly classNames: readonly string[];
  /** Splits that are not required are not listed. */
  readonly train?: FolderListing;
  readonly test?: FolderListing;
  /** Files that were skipped, and possible mistakes. */
  readonly notices: readonly DataNotice[];
}

export interface ListingOptions {
  /** The splits that must be there and are listed. Default: both. If it is one, `root` may be its folder. */
  readonly splits?: readonly SplitName[] | undefined;
  /**
   * Classes that are known from elsewhere: they replace those of the folders if they include all of them, so that a
   * split may lack some.
   */
  readonly classNames?: readonly string[] | undefined;
}

/** Lists a data set in ImageNet's layout, classes and files sorted by name so that all machines have one order. */
export async function listImageFolder(root: string,
  { splits = ["train", "test"], classNames: known }: ListingOptions = {}): Promise<ImageFolder> {
  const notices = new DataNotices();
  const folders = await findSplits(root, splits, notices);
  const classes = new Map<SplitName, readonly ClassFolder[]>();
  for (const split of ["train", "test"] as const) {
    const folder = folders[split];
    // The training folders name the classes, even if only test images are needed.
    if (folder !== undefined && (splits.includes(split) || split === "train"))
      classes.set(split, await classesIn(folder, notices));
  }
  const own = (classes.get("train") ?? classes.get("test") ?? []).map(({ name }) => name);
  const ofNetwork = knownClasses(own, known);
  if (known !== undefined && ofNetwork === undefined) {
    const names = new Set(known.map((name) => name.normalize("NFC")));
    for (const name of own) if (!names.has(name)) notices.add("other-classes", name);
  }
  const classNames = ofNetwork ?? own;
  assertSeveralClasses(classNames, folders.train ?? folders.test ?? root);

  const owners = new Owners(notices);
  const listing = new Map<SplitName, FolderListing>();
  for (const split of splits) {
    const folder = folders[split];
    if (folder === undefined) continue;
    const found = classes.get(split) ?? [];
    assertKnownClasses(found, classNames, { folder, train: folders.train });
    listing.set(split,
      await new SplitListing({ split, folder, isLenient: split === "test" || splits.length === 1 }, notices, owners)
        .list(found, classNames));
  }
  owners.finish();
  return { classNames, ...Object.fromEntries(listing), notices: notices.list() };
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
  return { folder: listing.folder, paths: kept.map((index) => listing.paths[index] as string),
    labels: kept.map((index) => listing.labels[index] as number) };
}

interface ListedSplit {
  readonly split: SplitName;
  readonly folder: string;
  /** Whether classes may lack images. */
  readonly isLenient: boolean;
}

/** Lists one split. */
class SplitListing {
  constructor(private readonly about: ListedSplit, private readonly notices: DataNotices,
    private readonly owners: Owners) {}

  async list(classes: readonly ClassFolder[], classNames: readonly string[]): Promise<FolderListing> {
    const { split, folder } = this.about;
    const folders = new Map(classes.map((found) => [found.name, found.folder]));
    const paths: string[] = [];
    const labels: number[] = [];
    for (const [label, name] of classNames.entries()) {
      // A network may have two classes of one name, as ImageNet's crane is a bird and a machine.
      if (classNames.indexOf(name) < label) continue;
      const own = folders.get(name);
      const images = own === undefined ? [] : await this.#imagesOf(join(folder, own), `${split}/${name}`);
      if (images.length === 0) this.notices.add("missing-class", join(folder, own ?? name));
      for (const image of images) {
        paths.push(join(own ?? name, image));
        labels.push(label);
      }
    }
    if (paths.length > 0) return { folder, paths, labels };
    throw new ReviewKdError("FILE_NOT_FOUND",
      `invalid image folder ${folder}: expected images (${PROPOSED_TYPES.join(" ")}), received none. Arrange them as ${LAYOUT}.`);
  }

  /** Images below a class folder. */
  async #imagesOf(folder: string, owner: string): Promise<readonly string[]> {
    const own = new DataNotices();
    const walked = await withFolderErrors(folder, () => walkImages(folder, own));
    this.notices.addAll(own);
    await assertDecoded(folder, walked);
    this.owners.add(owner, walked);
    if (walked.paths.length === 0 && !this.about.isLenient) {
      const passed = own.list().map(({ text }) => text);
      throw new ReviewKdError("FILE_NOT_FOUND",
        `invalid class folder ${folder}: expected at least one image (${PROPOSED_TYPES.join(" ")}), received none` +
          `${passed.length === 0 ? "" : ` (${passed.join("; ")})`}. Add images or remove the folder.`);
    }
    return walked.paths;
  }
}

/** @throws ReviewKdError `FILE_UNSUPPORTED` for an image whose ending and content are of a type that is not decoded. */
async function assertDecoded(folder: string, { undecoded }: WalkedImages): Promise<void> {
  const others: string[] = [];
  await withFolderErrors(folder, async () => {
    const checked = mapInOrder(undecoded, 8,
      async (file) => [file, await hasDecodedContent(join(folder, file))] as const);
    for await (const [file, isDecoded] of checked) if (!isDecoded) others.push(file);
  });
  const [first] = others;
  if (first === undefined) return;
  throw new ReviewKdError("FILE_UNSUPPORTED", `invalid images in ${folder}: expected ${PROPOSED_TYPES.join(" ")}, ` +
    `received ${others.length} of another type, ${printableName(first)} first. Convert or remove them.`, {
    valid: PROPOSED_TYPES,
  });
}

/** Finds what several classes or both splits have through links, by real paths. */
class Owners {
  readonly #owners = new Map<string, string>();
  readonly #links: { readonly real: string; readonly owner: string }[] = [];

  constructor(private readonly notices: DataNotices) {}

  /** @param owner - the split and class. */
  add(owner: string, { folders, linkedImages }: WalkedImages): void {
    for (const place of [...folders, ...linkedImages]) {
      const other = this.#owners.get(place);
      if (other === undefined) this.#owners.set(place, owner);
      else this.#report(place, owner, other);
    }
    for (const real of linkedImages) this.#links.push({ real, owner });
  }

  /** Compares linked images with the folders of other classes, once all of them are known. */
  finish(): void {
    for (const { real, owner } of this.#links) {
      const other = this.#owners.get(dirname(real));
      if (other !== undefined && other !== owner) this.#report(real, owner, other);
    }
  }

  #report(place: string, owner: string, other: string): void {
    this.notices.add(dirname(owner) === dirname(other) ? "shared-by-classes" : "shared-by-splits", place);
  }
}

function assertSeveralClasses(names: readonly string[], folder: string): void {
  if (names.length >= 2) return;
  throw new ReviewKdError("FILE_NOT_FOUND",
    `invalid image folder ${folder}: expected a folder for each of at least 2 classes, received ${some(names)}. ` +
      `Arrange the images as ${LAYOUT}.`);
}

/** A split may lack classes, but has none that are unknown. */
function assertKnownClasses(found: readonly ClassFolder[], classNames: readonly string[],
  { folder, train }: { readonly folder: string; readonly train: string | undefined }): void {
  const known = new Set(classNames);
  const unknown = found.map(({ name }) => name).filter((name) => !known.has(name));
  const [first] = unknown;
  if (first === undefined) return;
  const similar = classNames.find((name) => name.toLowerCase() === first.toLowerCase());
  throw new ReviewKdError("FILE_CORRUPT",
    `invalid class folders in ${folder}: expected the classes of ${train ?? "the network"}, received also ${some(unknown)}. ` +
      (similar === undefined ? `Add training images of ${unknown.length === 1 ? "it" : "them"} or remove the ` +
        `folder${unknown.length === 1 ? "" : "s"}.` : `Rename ${first} to ${similar}.`));
}
