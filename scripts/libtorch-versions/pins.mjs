// The torch versions that addon and plugin are built for, each pinned by hash, and the cache that holds them apart from what the package loads.
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { cacheRoot } from "../libtorch/cache.mjs";
import { cudaEntry, installCudaLibTorch } from "../libtorch/cuda.mjs";
import { BuildError } from "../support/errors.mjs";

/**
 * @typedef {import("../libtorch/locate.mjs").Located} Located
 * @typedef {import("../libtorch/locate.mjs").Pins} Pins
 *
 * @typedef {object} VersionsLock the contents of lock.json
 * @property {string} pythonVersion whose wheels are downloaded
 * @property {string} platform
 * @property {string[]} tags wheel platform tags, the most specific first
 * @property {number} diskMegabytes needed while one version is unpacked
 * @property {Record<string, { variant: string, wheels: string[] }>} versions only the wheels that compiling, linking and loading need
 * @property {Record<string, string>} sha256 by requirement
 */

/** @type {VersionsLock} */
const lock = JSON.parse(readFileSync(new URL("./lock.json", import.meta.url), "utf8"));

/** The pinned versions, the oldest first. */
export const TORCH_VERSIONS = Object.keys(lock.versions);

/**
 * @param {string} torch such as `2.11.0`
 * @param {string} option the command line option that names the version
 * @returns {Pins}
 * @throws {BuildError} USAGE for a version without pins
 */
export function pinsOf(torch, option) {
  const version = Object.hasOwn(lock.versions, torch) ? lock.versions[torch] : undefined;
  if (version === undefined) {
    throw new BuildError("USAGE", `invalid ${option}: expected ${TORCH_VERSIONS.join(", ")}, received ${torch}. Add the version with its hashes to scripts/libtorch-versions/lock.json.`);
  }
  const wheels = Object.fromEntries(version.wheels.map((requirement) => [requirement, hashOf(requirement)]));
  const cuda = { variant: version.variant, tags: lock.tags, wheels, diskMegabytes: lock.diskMegabytes };
  return { torch, pythonVersion: lock.pythonVersion, platforms: { [lock.platform]: { ...cuda, cuda } } };
}

/** @param {string} requirement */
function hashOf(requirement) {
  const hash = lock.sha256[requirement];
  if (hash !== undefined) return hash;
  throw new BuildError("INTERNAL", `invalid lock.json: expected a SHA-256 of ${requirement}, received none. Add it to scripts/libtorch-versions/lock.json.`);
}

/**
 * A directory of its own: the package searches other folders of its cache, so it never loads one of these builds.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export function versionsCache(env) {
  return join(cacheRoot(env), "libtorch-versions");
}

/**
 * Downloads and unpacks a version unless the cache has it.
 *
 * @param {Pins} pins
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @returns {Promise<Located>}
 * @throws {BuildError} as `installCudaLibTorch`
 */
export async function ensureVersion(pins, env, progress) {
  return installCudaLibTorch({ ...env, REVIEWKD_CACHE: versionsCache(env) }, progress, pins);
}

/**
 * Deletes the unpacked wheels of a version.
 *
 * @param {Pins} pins
 * @param {NodeJS.ProcessEnv} env
 */
export async function removeVersion(pins, env) {
  for (const platform of Object.values(pins.platforms)) {
    await rm(cudaEntry({ REVIEWKD_CACHE: versionsCache(env) }, pins.torch, platform.variant), { recursive: true, force: true });
  }
}
