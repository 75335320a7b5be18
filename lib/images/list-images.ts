import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { FilePath } from "../config/file-path.js";
import type { DataNotice } from "../config/schemas/data.js";
import { assertObject, parse, valueText } from "../config/validation.js";
import { atCall, causedBy, isMissing, ReviewKdError } from "../errors.js";
import { DataNotices } from "./data-notices.js";
import { PROPOSED_TYPES } from "./image-types.js";
import { walkImages } from "./walk-images.js";

const Source = z.union([FilePath, z.array(FilePath).min(1)]);

/** Options of {@link listImages}. */
export interface ListImagesOptions {
  /** Called at the end for each kind of files that were skipped, with their number and the first one. */
  readonly onNotice?: ((notice: DataNotice) => void) | undefined;
}

/**
 * Lists the paths of images: those of files as they are, and for a folder those of the images below it, sorted and each
 * once, without hidden ones. Links are followed.
 *
 * @param source - a path, or several.
 * @throws ReviewKdError `FILE_NOT_FOUND` for a missing path and for a folder without images, `FILE_ACCESS`,
 * `INVALID_ARGUMENT`.
 * @example
 * ```ts
 * const paths = await listImages(["holiday", "portrait.jpg"], { onNotice: ({ text }) => console.warn(text) });
 * ```
 */
export async function listImages(source: string | readonly string[],
  options: ListImagesOptions = {}): Promise<string[]> {
  return atCall(imagesOf(source, options));
}

async function imagesOf(source: string | readonly string[], options: ListImagesOptions): Promise<string[]> {
  const parsed = parse(Source, source, "source of images");
  assertObject(options, "options of listImages");
  if (options.onNotice !== undefined && typeof options.onNotice !== "function") {
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid onNotice: expected a function, received ${valueText(options.onNotice)}.`);
  }
  const notices = new DataNotices();
  const paths: string[] = [];
  for (const path of typeof parsed === "string" ? [parsed] : parsed) {
    for (const image of await imagesAt(path, notices)) paths.push(image);
  }
  for (const notice of notices.list()) options.onNotice?.(notice);
  return paths;
}

async function imagesAt(path: string, notices: DataNotices): Promise<string[]> {
  let images: readonly string[];
  const own = new DataNotices();
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    images = (await walkImages(path, own)).paths;
  } catch (error) {
    throw causedBy(isMissing(error) ? "FILE_NOT_FOUND" : "FILE_ACCESS", `cannot read ${path}`, error,
      isMissing(error) ? "Check the path." : "Check its permissions.");
  }
  notices.addAll(own);
  if (images.length > 0) return images.map((image) => relativePath(path, image));
  const passed = own.list().map(({ text }) => text);
  throw new ReviewKdError("FILE_NOT_FOUND",
    `invalid folder ${path}: expected at least one image (${PROPOSED_TYPES.join(" ")}), received none` +
      `${passed.length === 0 ? "" : ` (${passed.join("; ")})`}. Pass another folder.`);
}

/** A path below a folder; one that begins with ~ is not to be taken for the home directory's. */
function relativePath(folder: string, image: string): string {
  const path = join(folder, image);
  return path.startsWith("~") ? `./${path}` : path;
}
