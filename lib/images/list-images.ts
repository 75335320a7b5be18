import { readdir, stat } from "node:fs/promises";
import { extname, join, sep } from "node:path";
import { z } from "zod";
import { parse } from "../config/validation.js";
import { atCall, causedBy, isMissing, ReviewKdError } from "../errors.js";

/** File types that sharp's published builds decode. */
export const DECODED_TYPES: ReadonlySet<string> = new Set([".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".tif",
  ".tiff"]);

/** Image types that sharp does not decode. Ignoring them silently would shrink a data set. */
export const UNDECODED_TYPES: ReadonlySet<string> = new Set([".bmp", ".ppm", ".pgm", ".heic", ".jp2", ".jxl"]);

/**
 * Sorted paths of the images below a folder, relative to it, whether or not sharp decodes their type. Leaves out hidden
 * files and folders, and files that are not images.
 *
 * @throws the file system's error.
 */
export async function imagesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true });
  return entries.filter((entry) => {
    const type = extname(entry).toLowerCase();
    return (DECODED_TYPES.has(type) || UNDECODED_TYPES.has(type)) &&
      !entry.split(sep).some((name) => name.startsWith("."));
  }).sort();
}

const Path = z.string().min(1);
const Source = z.union([Path, z.array(Path).min(1)]);

/**
 * Lists the paths of images: those of files as they are, and for a folder those of the images below it, sorted, without
 * hidden ones.
 *
 * @param source - a path, or several.
 * @throws ReviewKdError `FILE_NOT_FOUND` for a missing path and for a folder without images, `FILE_ACCESS`,
 * `INVALID_ARGUMENT`.
 * @example
 * ```ts
 * const paths = await listImages(["holiday", "portrait.jpg"]);
 * ```
 */
export async function listImages(source: string | readonly string[]): Promise<string[]> {
  return atCall(imagesOf(source));
}

async function imagesOf(source: string | readonly string[]): Promise<string[]> {
  const parsed = parse(Source, source, "source of images");
  const paths: string[] = [];
  for (const path of typeof parsed === "string" ? [parsed] : parsed) {
    for (const image of await imagesAt(path)) paths.push(image);
  }
  return paths;
}

async function imagesAt(path: string): Promise<string[]> {
  let images: string[];
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    images = await imagesBelow(path);
  } catch (error) {
    throw causedBy(isMissing(error) ? "FILE_NOT_FOUND" : "FILE_ACCESS", `cannot read ${path}`, error,
      isMissing(error) ? "Check the path." : "Check its permissions.");
  }
  if (images.length > 0) return images.map((image) => join(path, image));
  throw new ReviewKdError("FILE_NOT_FOUND",
    `invalid folder ${path}: expected at least one image (${[...DECODED_TYPES].join(" ")}), received none. Pass another folder.`);
}
