// The files that `reviewkd detect` writes.
import { open, realpath, rename, rm, writeFile, type FileHandle } from "node:fs/promises";
import { dirname, join, parse } from "node:path";
import { type DetectedImage, drawDetections, type DrawOptions, isReviewKdError, makeDirectory, messageOf, ReviewKdError,
  toCocoResults } from "../index.js";
import { usageError } from "./errors.js";

/** An entry of `images.json`. */
interface ImageRecord {
  readonly id: number;
  readonly file_name: string;
  readonly width: number;
  readonly height: number;
}

interface FileOptions extends DrawOptions {
  /** By label; `null` for labels that are not found. */
  readonly classNames: readonly (string | null)[];
  /** By label. Default: labels are ids. */
  readonly categoryIds?: readonly (number | null)[] | undefined;
}

/**
 * A folder with a picture of each image, `detections.json` (COCO's results) and `images.json` (their images and
 * categories in COCO's format). Results are written as they come, and named once the files are closed, whatever ended
 * the search.
 */
export class DetectionFiles {
  readonly #records: ImageRecord[] = [];
  readonly #names = new Set<string>();
  #results: FileHandle | undefined;
  #hasResults = false;

  private constructor(private readonly directory: string, private readonly ids: ReadonlyMap<string, number>,
    private readonly options: FileOptions) {}

  /** Creates the folder. paths: all images, none of which may lie in it. */
  static async create(directory: string, paths: readonly string[], options: FileOptions): Promise<DetectionFiles> {
    const files = new DetectionFiles(directory, idsOf(paths), options);
    await files.#write(async () => {
      await makeDirectory(directory);
      const own = await realpath(directory);
      for (const folder of new Set(paths.map((path) => dirname(path)))) {
        if ((await realpath(folder).catch(() => undefined)) !== own) continue;
        throw usageError("a folder without images that are searched", "--out", directory, "Choose another one.");
      }
      files.#results = await open(files.#temporary("detections.json"), "w");
    });
    return files;
  }

  /** Draws the picture of an image and appends its results. */
  async add(image: DetectedImage): Promise<string> {
    const { format = "png" } = this.options;
    const picture = join(this.directory, `${this.#freeName(image.path)}.${format === "jpeg" ? "jpg" : format}`);
    const id = this.ids.get(image.path) as number;
    const { categoryIds, ...drawing } = this.options;
    const drawn = await drawDetections(image.path, image.detections, drawing);
    const results = await toCocoResults(id, image.detections, categoryIds);
    const text = results.map((result) => JSON.stringify(result)).join(",\n");
    await this.#write(async () => {
      await writeFile(picture, drawn);
      if (text !== "") await this.#results?.write(`${this.#hasResults ? ",\n" : "[\n"}${text}`);
    });
    this.#hasResults ||= text !== "";
    const [height, width] = image.size;
    this.#records.push({ id, file_name: image.path, width, height });
    return picture;
  }

  /** Completes both lists with what was added. */
  async close(): Promise<void> {
    const { classNames, categoryIds } = this.options;
    const categories = classNames.flatMap((name, label) => {
      const id = categoryIds === undefined ? label : categoryIds[label] ?? null;
      return name === null || id === null ? [] : [{ id, name }];
    });
    await this.#write(async () => {
      await this.#results?.write(this.#hasResults ? "\n]\n" : "[]\n");
      await this.#results?.sync();
      await this.#results?.close();
      await writeFile(this.#temporary("images.json"), `${JSON.stringify({ images: this.#records, categories })}\n`, {
        flush: true,
      });
      for (const name of ["images.json", "detections.json"])
        await rename(this.#temporary(name), join(this.directory, name));
    });
  }

  #temporary(name: string): string {
    return join(this.directory, `${name}.tmp-${process.pid}`);
  }

  /** The name of an image's picture, which no other image has, also where file systems ignore case. */
  #freeName(path: string): string {
    const { name } = parse(path);
    for (let count = 1;; ++count) {
      const candidate = count === 1 ? name : `${name}-${count}`;
      if (this.#names.has(candidate.toLowerCase())) continue;
      this.#names.add(candidate.toLowerCase());
      return candidate;
    }
  }

  async #write(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (isReviewKdError(error)) throw error;
      for (const name of ["images.json", "detections.json"])
        await rm(this.#temporary(name), { force: true }).catch(() => undefined);
      throw new ReviewKdError("FILE_ACCESS", `cannot write to ${this.directory}: ${messageOf(error)}. ` +
        "Choose another folder, free disk space or change its permissions.", { cause: error });
    }
  }
}

/** Ids of images: those that COCO's file names are, or positions from 1. */
function idsOf(paths: readonly string[]): Map<string, number> {
  const numbers = paths.map((path) => parse(path).name);
  const areIds = numbers.every((name) => /^\d{1,15}$/.test(name)) && new Set(numbers.map(Number)).size === paths.length;
  return new Map(paths.map((path, index) => [path, areIds ? Number(numbers[index]) : index + 1]));
}
