// Searches for a libtorch to build with: REVIEWKD_LIBTORCH, the torch of the active python3, the package's cache.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { expandHome } from "../config/file-path.js";
import { isReviewKdError, ReviewKdError } from "../errors.js";
import { cacheEntry, checkEntry, platformName } from "./cache.js";
import { inspectLibTorch, type LibTorch } from "./libtorch-directory.js";
import { defaultPins, type Pins } from "./pins.js";
import { python, torchOfPython } from "./pip.js";

export type LocatedLibTorch = LibTorch & { readonly source: "REVIEWKD_LIBTORCH" | "python" | "cache" };

/** The result of a search, with each place that was searched and why nothing was taken from it. */
export interface Search {
  readonly found: LocatedLibTorch | undefined;
  readonly notes: readonly string[];
}

/** Searches without downloading. An explicit choice is never passed over: if it is wrong, its error is thrown. */
export async function searchLibTorch(env: NodeJS.ProcessEnv, pins: Pins = defaultPins): Promise<Search> {
  // @env REVIEWKD_LIBTORCH users: The libtorch to build with and to load: a directory with `lib`, such as Python's
  // `torch`. Default: searched for; `reviewkd doctor` lists where.
  const explicit = env["REVIEWKD_LIBTORCH"];
  if (explicit) {
    const found = inspectLibTorch(resolve(expandHome(explicit)), "REVIEWKD_LIBTORCH");
    return { found: { ...found, source: "REVIEWKD_LIBTORCH" }, notes: [] };
  }

  const notes = ["REVIEWKD_LIBTORCH: not set"];
  const torch = await torchOfPython(env);
  if (torch === undefined) notes.push(`the active ${python}: no torch`);
  const found = torch === undefined ? undefined : attempt(() => inspectLibTorch(torch, `torch of ${python}`), notes);
  if (found !== undefined) return { found: { ...found, source: "python" }, notes };

  for (const variant of new Set(["cpu", pins.platforms[platformName]?.variant ?? "cpu"])) {
    const entry = cacheEntry(env, pins.torch, variant);
    if (!existsSync(entry)) {
      notes.push(`cache: no ${entry}`);
      continue;
    }
    const cached = attempt(() => readEntry(entry), notes);
    if (cached !== undefined) return { found: cached, notes };
  }
  return { found: undefined, notes };
}

/** The libtorch of a cache entry. @throws ReviewKdError `FILE_CORRUPT`, and as `inspectLibTorch`. */
export function readEntry(entry: string): LocatedLibTorch {
  checkEntry(entry);
  return { ...inspectLibTorch(join(entry, "torch"), "cache entry"), source: "cache" };
}

/** The libtorch that a search finds. @throws ReviewKdError `DEPENDENCY_MISSING`, and as `searchLibTorch`. */
export async function locateLibTorch(env: NodeJS.ProcessEnv, pins: Pins = defaultPins): Promise<LocatedLibTorch> {
  const { found, notes } = await searchLibTorch(env, pins);
  if (found !== undefined) return found;
  throw new ReviewKdError("DEPENDENCY_MISSING",
    `invalid installation: expected a libtorch for the addon, received none. Searched:\n${notes.map((note) => `  - ${note}`).join("\n")}\nRun \`npm run build\`, which downloads one, or set REVIEWKD_LIBTORCH to a libtorch directory.`);
}

/** The result of `work`; a failure becomes a note. */
export function attempt<T>(work: () => T, notes: string[]): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!isReviewKdError(error)) throw error;
    notes.push(`${error.code}: ${error.message}`);
    return undefined;
  }
}
