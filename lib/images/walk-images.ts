import { realpath as realpathWithCallback, stat as statWithCallback, type Dirent } from "node:fs";
import { lstat, readdir, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { isMissing } from "../errors.js";
import type { DataNotices } from "./data-notices.js";
import { typeByName } from "./image-types.js";
import { mapInOrder } from "./map-in-order.js";

/** The images below a folder. */
export interface WalkedImages {
  /** Sorted paths relative to the folder. */
  readonly paths: readonly string[];
  /** Those whose ending is that of a type that sharp may not decode. */
  readonly undecoded: readonly string[];
  /** Real paths of the folders that were searched, and of images that links lead to. */
  readonly folders: ReadonlySet<string>;
  readonly linkedImages: ReadonlySet<string>;
}

const LINKS_AT_A_TIME = 32;

/** Folders that systems create next to images: thumbnails, waste baskets, metadata. */
const SYSTEM_FOLDERS: ReadonlySet<string> = new Set(["@eadir", "#recycle", "$recycle.bin", "__macosx", "lost+found",
  "system volume information"]);

/** Whether a name is hidden, or one of a folder that belongs to the system. */
export function isHidden(name: string): boolean {
  return name.startsWith(".") || SYSTEM_FOLDERS.has(name.toLowerCase());
}

/**
 * The entries of a folder whose names have bytes that are no UTF-8: Node puts replacement characters for them, by which
 * no file can be opened, unless another one has them in its name.
 */
export async function unopenableIn(folder: string, entries: readonly Dirent[]): Promise<ReadonlySet<Dirent>> {
  const found = new Set<Dirent>();
  const openable = new Set<string>();
  for (const entry of entries) {
    const { name } = entry;
    if (!name.includes("\uFFFD")) continue;
    const exists = !openable.has(name) && (await lstat(join(folder, name)).then(() => true, () => false));
    if (exists) openable.add(name);
    else found.add(entry);
  }
  return found;
}

/** Names in one order on all systems: macOS decomposes letters with accents, others keep them whole. */
export function sortedNames(names: readonly string[]): string[] {
  return names.map((name) => [name.normalize("NFC"), name] as const).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, name]) => name);
}

/**
 * Finds the images below a folder by their names, follows links, and takes each file and folder once by its real path.
 * Hidden files and folders are skipped; so is all else that is no image, which `notices` receives.
 *
 * @throws the file system's error if the folder itself cannot be read.
 */
export async function walkImages(folder: string, notices: DataNotices): Promise<WalkedImages> {
  const walk = new Walk(folder, notices);
  await walk.run();
  return { paths: sortedNames(walk.images), undecoded: sortedNames(walk.undecoded), folders: walk.folders,
    linkedImages: walk.linkedImages };
}

/** A folder by its path relative to the walk's and its real path. */
interface Place {
  readonly relative: string;
  readonly real: string;
}

type LinkTarget = { readonly real: string; readonly is: "file" | "folder" | "other" } | "broken-link" | "unreadable";

class Walk {
  readonly images: string[] = [];
  readonly undecoded: string[] = [];
  readonly folders = new Set<string>();
  readonly linkedImages = new Set<string>();
  #links: string[] = [];

  constructor(private readonly root: string, private readonly notices: DataNotices) {}

  async run(): Promise<void> {
    await this.#searchAll({ relative: "", real: await realpath(this.root) });
    // Links come last, so that what is there without one is not taken for a repetition.
    while (this.#links.length > 0) {
      const links = sortedNames(this.#links);
      this.#links = [];
      const targets = mapInOrder(links, LINKS_AT_A_TIME, async (link) =>
        [link, await targetOf(join(this.root, link))] as const);
      for await (const [link, target] of targets) await this.#follow(link, target);
    }
  }

  /** Searches a folder and those below it, with a list instead of recursion, which deep trees would exhaust. */
  async #searchAll(first: Place): Promise<void> {
    const waiting = [first];
    for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
      if (this.folders.has(place.real)) continue;
      this.folders.add(place.real);
      const entries = await this.#entriesOf(place, place === first && first.relative === "");
      const unopenable = await unopenableIn(join(this.root, place.relative), entries);
      for (const entry of entries) {
        const relative = join(place.relative, entry.name);
        if (isHidden(entry.name)) this.#passBy("hidden", relative);
        else if (unopenable.has(entry)) this.#passBy("invalid-name", relative);
        else if (entry.isSymbolicLink()) this.#links.push(relative);
        else if (entry.isFile()) this.#take(relative, place, entry.name);
        else if (entry.isDirectory()) waiting.push(this.#folderAt(relative, join(place.real, entry.name)));
        else this.#passBy("special-file", relative);
      }
    }
  }

  async #entriesOf({ relative }: Place, isRoot: boolean): Promise<Dirent[]> {
    try {
      return await readdir(join(this.root, relative), { withFileTypes: true });
    } catch (error) {
      if (isRoot) throw error;
      this.#passBy("unreadable", relative);
      return [];
    }
  }

  async #follow(link: string, target: LinkTarget): Promise<void> {
    if (typeof target === "string") {
      this.#passBy(target, link);
    } else if (target.is === "other") {
      this.#passBy("special-file", link);
    } else if (target.is === "folder") {
      if (this.folders.has(target.real)) this.#passBy("repeated-link", link);
      else await this.#searchAll(this.#folderAt(link, target.real));
    } else if (typeByName(link) === "other") {
      this.#passBy("not-image", link);
    } else if (this.linkedImages.has(target.real) || this.#wasListed(target.real)) {
      this.#passBy("repeated-link", link);
    } else {
      this.linkedImages.add(target.real);
      this.#add(link);
    }
  }

  /** Whether a file is in one of the folders that were searched, and has a name that counts. */
  #wasListed(real: string): boolean {
    const name = basename(real);
    return this.folders.has(dirname(real)) && !isHidden(name) && typeByName(name) !== "other";
  }

  #folderAt(relative: string, real: string): Place {
    if (typeByName(relative) !== "other") this.#passBy("image-named-folder", relative);
    return { relative, real };
  }

  #take(relative: string, { real }: Place, name: string): void {
    if (typeByName(name) === "other") this.#passBy("not-image", relative);
    else if (this.linkedImages.size > 0 && this.linkedImages.has(join(real, name)))
      this.#passBy("repeated-link", relative);
    else this.#add(relative);
  }

  #add(relative: string): void {
    this.images.push(relative);
    if (typeByName(relative) === "undecoded") this.undecoded.push(relative);
  }

  #passBy(kind: Parameters<DataNotices["add"]>[0], relative: string): void {
    this.notices.add(kind, join(this.root, relative));
  }
}

// Data sets may consist of links alone: the promises of node:fs/promises take twice the time of these.
const realPathOf = promisify(realpathWithCallback.native);
const statusOf = promisify(statWithCallback);

async function targetOf(path: string): Promise<LinkTarget> {
  try {
    const [real, found] = await Promise.all([realPathOf(path), statusOf(path)]);
    return { real, is: found.isFile() ? "file" : found.isDirectory() ? "folder" : "other" };
  } catch (error) {
    return isMissing(error) || (error as NodeJS.ErrnoException).code === "ELOOP" ? "broken-link" : "unreadable";
  }
}
