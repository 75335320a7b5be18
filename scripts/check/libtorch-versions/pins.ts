// The supported torch versions, each pinned by hash, in a cache separate from what the package loads.
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { cacheRoot, cudaEntry } from "../../../lib/install/cache.js";
import { ensureCudaLibTorch } from "../../../lib/install/fetch.js";
import type { LocatedLibTorch } from "../../../lib/install/locate.js";
import type { Pins, WheelSet } from "../../../lib/install/pins.js";
import type { InstallContext } from "../../../lib/install/pip.js";
import { BuildError } from "../../support/errors.js";

/** The contents of pins.json. */
interface VersionPins {
  /** Whose wheels are downloaded. */
  readonly pythonVersion: string;
  readonly platform: string;
  /** Wheel platform tags, the most specific first. */
  readonly tags: string[];
  /** Required while one version is unpacked. */
  readonly diskMegabytes: number;
  /** Only the wheels that compiling, linking and loading need; and the NCCL that it was built with, for its header. */
  readonly versions: Record<string, { variant: string; wheels: string[]; nccl: string }>;
  /** By requirement. */
  readonly sha256: Record<string, string>;
}

const lock = JSON.parse(readFileSync(new URL("./pins.json", import.meta.url), "utf8")) as VersionPins;

/** The pinned versions, the oldest first. */
export const TORCH_VERSIONS = Object.keys(lock.versions);

/**
 * The pins of a version such as `2.11.0`.
 *
 * @param option - The command line option that names the version.
 * @throws BuildError USAGE for a version without pins.
 */
export function pinsOf(torch: string, option: string): Pins {
  const version = Object.hasOwn(lock.versions, torch) ? lock.versions[torch] : undefined;
  if (version === undefined) {
    throw new BuildError("USAGE",
      `invalid ${option}: expected ${TORCH_VERSIONS.join(", ")}, received ${torch}. Add the version with its hashes to scripts/check/libtorch-versions/pins.json.`);
  }
  const wheels = Object.fromEntries(version.wheels.map((requirement) => [requirement, hashOf(requirement)]));
  const cuda = { variant: version.variant, tags: lock.tags, wheels, diskMegabytes: lock.diskMegabytes };
  return { torch, pythonVersion: lock.pythonVersion, platforms: { [lock.platform]: { ...cuda, cuda } } };
}

/**
 * The wheel with the NCCL that a version of libtorch was built with.
 *
 * @param torch - A version, whose minor version counts: all of its patches have the same NCCL.
 * @throws BuildError USAGE for a version without pins.
 */
export function ncclPinsOf(
  torch: string,
): { readonly requirement: string; readonly pythonVersion: string; readonly set: WheelSet } {
  const minor = /^\d+\.\d+\./.exec(torch)?.[0] ?? torch;
  const [, version] = Object.entries(lock.versions).find(([name]) => name.startsWith(minor)) ?? [];
  if (version === undefined) {
    throw new BuildError("USAGE",
      `invalid libtorch: expected the NCCL of ${TORCH_VERSIONS.join(", ")}, received libtorch ${torch}. Add the version with its NCCL to scripts/check/libtorch-versions/pins.json.`);
  }
  const { nccl: requirement, variant } = version;
  const set = { variant, tags: lock.tags, wheels: { [requirement]: hashOf(requirement) }, diskMegabytes: 500 };
  return { requirement, pythonVersion: lock.pythonVersion, set };
}

function hashOf(requirement: string): string {
  const hash = lock.sha256[requirement];
  if (hash !== undefined) return hash;
  throw new BuildError("INTERNAL",
    `invalid pins.json: expected a SHA-256 of ${requirement}, received none. Add it to scripts/check/libtorch-versions/pins.json.`);
}

/** A separate directory: the package searches other folders of its cache, so it never loads one of these builds. */
export function versionsCache(env: NodeJS.ProcessEnv): string {
  return join(cacheRoot(env), "libtorch-versions");
}

/**
 * A version in the cache, downloaded unless present.
 *
 * @throws ReviewKdError as `ensureCudaLibTorch`.
 */
export async function ensureVersion(pins: Pins, context: InstallContext): Promise<LocatedLibTorch> {
  return ensureCudaLibTorch({ ...context, env: { ...context.env, REVIEWKD_CACHE: versionsCache(context.env) } }, pins);
}

/** Deletes the unpacked wheels of a version. */
export async function removeVersion(pins: Pins, env: NodeJS.ProcessEnv): Promise<void> {
  for (const platform of Object.values(pins.platforms)) {
    await rm(cudaEntry({ REVIEWKD_CACHE: versionsCache(env) }, pins.torch, platform.variant), { recursive: true,
      force: true });
  }
}
