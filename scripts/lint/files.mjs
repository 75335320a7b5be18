// The files of the checkout that a check reads.
import { join } from "node:path";
import { workingTree } from "../gpu/tree.mjs";

/** The root of the checkout. */
export const root = join(import.meta.dirname, "../..");

/**
 * Paths from the command line, relative to the root, or every file of the checkout when there are none.
 *
 * @param {readonly string[]} paths
 * @param {RegExp} pattern of the paths to keep
 * @returns {Promise<string[]>}
 */
export async function selectFiles(paths, pattern) {
  const all = paths.length > 0 ? paths.map((path) => path.replaceAll("\\", "/")) : await workingTree(root);
  return all.filter((path) => pattern.test(path));
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
