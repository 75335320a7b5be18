// Relative paths of a configuration: a run may be resumed from another directory than that in which it was started.
import { isAbsolute, join } from "node:path";
import { isSettings, type Settings } from "../config/settings.js";
import { ReviewKdError } from "../errors.js";
import { exists, readText, tryParseJson } from "./directory-files.js";

/** The parts of a configuration that have paths, and the keys of these. */
const PARTS = ["data", "model", "teacher", "student"] as const;
const PATHS: ReadonlySet<string> = new Set(["root", "images", "annotations", "weights", "backboneWeights"]);

/** A configuration of a run or study. */
type Config = Readonly<Partial<Record<(typeof PARTS)[number], unknown>>> & {
  readonly workingDirectory?: string | undefined;
};

/** The configuration with the directory that its relative paths belong to, if it has any. */
export async function withWorkingDirectory<C extends Config>(config: C, recordedIn?: string): Promise<C> {
  const { workingDirectory, ...rest } = config;
  const paths: string[] = [];
  await mapPaths(rest, (path) => {
    paths.push(path);
    return path;
  });
  if (paths.length === 0) return rest as C;
  const known = workingDirectory ?? (recordedIn === undefined ? undefined : await recordedDirectory(recordedIn));
  const areHere = (await Promise.all(paths.map(exists))).every((isThere) => isThere);
  return { ...config, workingDirectory: areHere ? process.cwd() : known ?? process.cwd() };
}

/** The working directory in the configuration file of a run or study, if it has one. */
async function recordedDirectory(path: string): Promise<string | undefined> {
  const recorded = tryParseJson(await readText(path) ?? "");
  const directory = isSettings(recorded) ? recorded["workingDirectory"] : undefined;
  return typeof directory === "string" ? directory : undefined;
}

/**
 * The configuration with the paths by which its files are found: relative ones that are not below this process's
 * directory are looked up below the configuration's.
 *
 * @throws ReviewKdError `FILE_NOT_FOUND` for a path below neither.
 */
export async function locateFiles<C extends Config>(config: C): Promise<C> {
  const { workingDirectory: base } = config;
  if (base === undefined || base === process.cwd()) return config;
  return mapPaths(config, async (path) => {
    if (await exists(path)) return path;
    const there = join(base, path);
    if (await exists(there)) return there;
    throw new ReviewKdError("FILE_NOT_FOUND",
      `invalid relative path "${path}": expected a file or folder below ${process.cwd()}, or below ${base}, where the ` +
        "run was started, received neither. Resume from there, or pass its new path (with `override: true`, on the " +
        "command line --override).");
  });
}

/** A copy in which `map` replaces each relative path. */
async function mapPaths<C extends Config>(config: C, map: (path: string) => string | Promise<string>): Promise<C> {
  const inside = async (value: unknown, isPath: boolean): Promise<unknown> => {
    if (typeof value === "string") return isPath && !isAbsolute(value) ? map(value) : value;
    if (!isSettings(value)) return value;
    const mapped: Record<string, unknown> = {};
    for (const [key, inner] of Object.entries(value)) mapped[key] = await inside(inner, isPath || PATHS.has(key));
    return mapped;
  };
  const copy: Record<string, unknown> = { ...(config as Settings) };
  for (const part of PARTS) if (copy[part] !== undefined) copy[part] = await inside(copy[part], false);
  return copy as C;
}
