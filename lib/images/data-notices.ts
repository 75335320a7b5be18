import type { DataNotice, DataNoticeKind } from "../config/schemas/data.js";

/** The sentence of each kind of notice, about `count` things. */
const SENTENCES: Readonly<Record<DataNoticeKind, (count: number) => string>> = {
  "hidden": (count) => `skipped ${counted(count, "hidden file or folder", "hidden files and folders")}`,
  "not-image": (count) => `skipped ${counted(count, "file")} without an image's ending`,
  "image-named-folder": (count) => `searched ${counted(count, "folder")} named like an image`,
  "broken-link": (count) => `skipped ${counted(count, "link")} to nothing`,
  "repeated-link": (count) => `skipped ${counted(count, "link")} to files or folders that count already`,
  "special-file": (count) => `skipped ${counted(count, "pipe, socket or device", "pipes, sockets and devices")}`,
  "unreadable": (count) => `skipped ${counted(count, "file or folder", "files and folders")} that cannot be read`,
  "invalid-name": (count) => `skipped ${counted(count, "name")} not in UTF-8, which cannot be opened`,
  "outside-class": (count) => `skipped ${counted(count, "image")} outside of the class folders`,
  "unused-folder": (count) => `skipped ${counted(count, "folder")} that no split is read from`,
  "missing-class": (count) => `found no images of ${counted(count, "class", "classes")}`,
  "shared-by-classes": (count) => `read ${counted(count, "file or folder", "files and folders")} for several classes`,
  "shared-by-splits": (count) => `read ${counted(count, "file or folder", "files and folders")} for both splits`,
  "similar-classes": (count) =>
    `found ${counted(count, "class", "classes")} named like another but for upper and lower case`,
  "other-classes": (count) =>
    `numbered the classes by their folders, as the network lacks ${counted(count, "of their names", "of their names")}`,
};

function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}

/** Collects what is worth knowing about the files of a data set, by kind: how often, and the first example. */
export class DataNotices {
  readonly #byKind = new Map<DataNoticeKind, { count: number; readonly example: string }>();

  add(kind: DataNoticeKind, example: string): void {
    const found = this.#byKind.get(kind);
    if (found === undefined) this.#byKind.set(kind, { count: 1, example });
    else ++found.count;
  }

  addAll(others: DataNotices): void {
    for (const [kind, { count, example }] of others.#byKind) {
      const found = this.#byKind.get(kind);
      if (found === undefined) this.#byKind.set(kind, { count, example });
      else found.count += count;
    }
  }

  /** One notice for each kind, in the order in which the kinds were found. */
  list(): DataNotice[] {
    return [...this.#byKind].map(([kind, { count, example }]) => ({ kind, count, example,
      text: `${SENTENCES[kind](count)}: ${printableName(example)}${count > 1 ? " and others" : ""}` })
    );
  }
}

/** A path on one line: names may hold line breaks and other control characters. */
export function printableName(path: string): string {
  return path.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
}
