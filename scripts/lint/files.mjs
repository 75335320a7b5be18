// The files of the checkout that a check reads.
import { join } from "node:path";
import { workingTree } from "../gpu/tree.mjs";
import { BuildError } from "../support/errors.js";

/** The root of the checkout. */
export const root = join(import.meta.dirname, "../..");

/**
 * The files of the checkout at or below some paths, or all of them without a path.
 *
 * @param {readonly string[]} paths relative to the root
 * @param {RegExp} pattern of the files to keep
 * @returns {Promise<string[]>}
 * @throws {BuildError} USAGE if a path names nothing
 */
export async function selectFiles(paths, pattern) {
  const all = await workingTree(root);
  const wanted = paths.map((path) => path.replaceAll("\\", "/").replace(/\/$/, ""));
  const isBelow = (/** @type {string} */ path) => (/** @type {string} */ file) =>
    file === path || file.startsWith(`${path}/`);
  const unknown = wanted.find((path) => !all.some(isBelow(path)));
  if (unknown !== undefined)
    throw new BuildError("USAGE",
      `invalid path: expected a file or folder of the checkout, received ${unknown}. Name it relative to the root.`);
  return all.filter((file) =>
    pattern.test(file) && (wanted.length === 0 || wanted.some((path) => isBelow(path)(file)))
  );
}

/**
 * Splits a list into parts that fit on a command line.
 *
 * @template T
 * @param {readonly T[]} list
 * @param {number} [size]
 */
export function chunksOf(list, size = 100) {
  return Array.from({ length: Math.ceil(list.length / size) },
    (_, index) => list.slice(index * size, (index + 1) * size));
}
