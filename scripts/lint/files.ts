// The files of the checkout that a check reads.
import { workingTree } from "../gpu/tree.js";
import { BuildError } from "../support/errors.js";
import { root } from "../support/files.js";

/** The files that match a pattern, all or those at or below paths. @throws BuildError USAGE for an unknown path. */
export async function selectFiles(paths: readonly string[], pattern: RegExp): Promise<string[]> {
  const all = await workingTree(root);
  const wanted = paths.map((path) => path.replaceAll("\\", "/").replace(/\/$/, ""));
  const isBelow = (path: string) => (file: string) => file === path || file.startsWith(`${path}/`);
  const unknown = wanted.find((path) => !all.some(isBelow(path)));
  if (unknown !== undefined)
    throw new BuildError("USAGE",
      `invalid path: expected a file or folder of the checkout, received ${unknown}. Name it relative to the root.`);
  const isWanted = (file: string): boolean => wanted.length === 0 || wanted.some((path) => isBelow(path)(file));
  return all.filter((file) => pattern.test(file) && isWanted(file));
}

/** The paths on the command line, and whether it has the only option. @throws BuildError USAGE for another one. */
export function readPaths(option: string): { paths: string[]; isSet: boolean } {
  const words = process.argv.slice(2);
  const paths = words.filter((word) => word !== option);
  const unknown = paths.find((path) => path.startsWith("-"));
  if (unknown !== undefined)
    throw new BuildError("USAGE",
      `invalid option: expected ${option}, received ${unknown}. Name files without a dash.`);
  return { paths, isSet: paths.length < words.length };
}

/** Splits a list into parts that fit on a command line. */
export function chunksOf<T>(list: readonly T[], size = 100): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) },
    (_, index) => list.slice(index * size, (index + 1) * size));
}
