// The order in which libtorch is looked for: REVIEWKD_LIBTORCH, the torch of the active python3, the package's cache.
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { BuildError } from "../support/errors.mjs";
import { cacheEntry, checkEntry } from "./cache.mjs";
import { inspectLibTorch } from "./inspect.mjs";
import { python, torchOfPython } from "./python.mjs";

/**
 * @typedef {import("./inspect.mjs").LibTorch & { source: "REVIEWKD_LIBTORCH" | "python" | "cache" }} Located
 *
 * @typedef {object} PlatformPins
 * @property {string} variant of the wheel that the hashes belong to
 * @property {string[]} tags wheel platform tags, the most specific first
 * @property {Record<string, string>} wheels requirement to SHA-256
 * @property {number} diskMegabytes needed while unpacking
 * @property {Omit<PlatformPins, "cuda">} [cuda] the same for both halves of a CUDA build, with NVIDIA's libraries
 *
 * @typedef {object} Pins the contents of lock.json
 * @property {string} torch
 * @property {string} pythonVersion whose wheels are taken, whatever Python runs here
 * @property {Record<string, PlatformPins>} platforms
 *
 * @typedef {object} Search
 * @property {Located | undefined} found
 * @property {string[]} notes what was looked at and why it was passed over
 */

/** @type {Pins} */
export const defaultPins = JSON.parse(readFileSync(new URL("./lock.json", import.meta.url), "utf8"));
export const platformName = `${process.platform}-${process.arch}`;

/**
 * The variants that the cache may hold on this platform, the preferred one first.
 *
 * @param {Pins} pins
 */
export function cachedVariants(pins) {
  return [...new Set(["cpu", pins.platforms[platformName]?.variant ?? "cpu"])];
}

/**
 * Looks for a libtorch without fetching anything.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {Pins} [pins]
 * @returns {Promise<Search>}
 * @throws {BuildError} when REVIEWKD_LIBTORCH is set and wrong: an explicit wish is never passed over
 */
export async function searchLibTorch(env, pins = defaultPins) {
  const explicit = env["REVIEWKD_LIBTORCH"];
  if (explicit) {
    return { found: { ...inspectLibTorch(resolve(explicit), "REVIEWKD_LIBTORCH"), source: "REVIEWKD_LIBTORCH" }, notes: [] };
  }

  const notes = ["REVIEWKD_LIBTORCH: not set"];
  const torch = await torchOfPython(env);
  if (torch) {
    const found = attempt(() => inspectLibTorch(torch, `the torch of ${python}`), notes);
    if (found) return { found: { ...found, source: "python" }, notes };
  } else {
    notes.push(`the active ${python}: no torch`);
  }

  for (const variant of cachedVariants(pins)) {
    const entry = cacheEntry(env, pins.torch, variant, platformName);
    if (!existsSync(entry)) {
      notes.push(`cache: no ${entry}`);
      continue;
    }
    const found = attempt(() => {
      checkEntry(entry);
      return inspectLibTorch(join(entry, "torch"), "the cache");
    }, notes);
    if (found) return { found: { ...found, source: "cache" }, notes };
  }
  return { found: undefined, notes };
}

/**
 * Looks for a libtorch; a miss is an error.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {Pins} [pins]
 * @returns {Promise<Located>}
 * @throws {BuildError} LIBTORCH_NOT_FOUND, or what is wrong with REVIEWKD_LIBTORCH
 */
export async function locateLibTorch(env, pins = defaultPins) {
  const { found, notes } = await searchLibTorch(env, pins);
  if (found) return found;
  throw new BuildError("LIBTORCH_NOT_FOUND",
    `expected libtorch for the addon, got none; looked at\n${notes.map((note) => `  - ${note}`).join("\n")}\n`
    + "run `npm run build`, which fetches one, or set REVIEWKD_LIBTORCH to a libtorch directory");
}

/**
 * @template T
 * @param {() => T} inspect
 * @param {string[]} notes
 * @returns {T | undefined}
 */
function attempt(inspect, notes) {
  try {
    return inspect();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    notes.push(`${error.code}: ${error.message}`);
    return undefined;
  }
}
