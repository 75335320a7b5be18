// Downloads libtorch into the cache: the CPU half that addons are built with, or both halves of a CUDA build.
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { isReviewKdError, ReviewKdError } from "../errors.js";
import { cacheEntry, cudaEntry, markComplete, platformName } from "./cache.js";
import { inspectLibTorch } from "./libtorch-directory.js";
import { attempt, readEntry, searchLibTorch, type LocatedLibTorch } from "./locate.js";
import { defaultPins, type Pins, type WheelSet } from "./pins.js";
import { downloadWheel, requirePip, type InstallContext } from "./pip.js";
import { CPU_FILES, CUDA_FILES, installWheels, publish, requireDiskSpace, unpackWheel, withEntryLock,
  type WheelEntry } from "./wheels.js";

/** Finds a libtorch to build with; downloads one into the cache if there is none. */
export async function ensureLibTorch(context: InstallContext, pins: Pins = defaultPins): Promise<LocatedLibTorch> {
  const { found, notes } = await searchLibTorch(context.env, pins);
  if (found !== undefined) return found;
  for (const note of notes) context.progress(note);
  const set = pins.platforms[platformName];
  if (set === undefined) {
    throw new ReviewKdError("DEPENDENCY_MISSING",
      `invalid platform: expected one of ${Object.keys(pins.platforms).join(", ")} for downloading libtorch, received ${platformName}. Build libtorch yourself and set REVIEWKD_LIBTORCH to its directory.`);
  }
  await requirePip(context.env);
  return withEntryLock(context, cacheEntry(context.env, pins.torch, set.variant), async () => {
    // The process that held the lock may have installed it.
    const now = await searchLibTorch(context.env, pins);
    if (now.found !== undefined) return now.found;
    const directory = (await fetchCpuBuild(context, pins, set)) ?? (await fetchCpuHalf(context, pins, platformName));
    context.progress(`libtorch ${pins.torch} is in ${directory}`);
    return readEntry(directory);
  });
}

/** The torch directory with the CPU half of any platform's pinned wheels, such as `win32-x64`; downloaded once. */
export async function ensureLibTorchOf(platform: string, context: InstallContext): Promise<string> {
  const set = defaultPins.platforms[platform];
  if (set === undefined)
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid platform: expected ${Object.keys(defaultPins.platforms).join(", ")}, received ${platform}.`);
  const entry = cacheEntry(context.env, defaultPins.torch, set.variant, platform);
  await withEntryLock(context, entry, async () => existsSync(entry) || fetchCpuHalf(context, defaultPins, platform));
  return join(entry, "torch");
}

/** PyTorch's CPU build, a tenth of the size, if pip's index offers one, whose published hash pip checks. */
async function fetchCpuBuild(context: InstallContext, pins: Pins,
  { variant, tags, diskMegabytes }: WheelSet): Promise<string | undefined> {
  if (variant === "cpu") return undefined;
  const directory = cacheEntry(context.env, pins.torch, "cpu");
  const staging = `${directory}.partial`;
  const requirement = `torch==${pins.torch}+cpu`;
  context.progress(`requesting ${requirement} from pip`);
  try {
    const wheel = await downloadWheel(context, { requirement, pythonVersion: pins.pythonVersion, tags },
      join(staging, "download"));
    await requireDiskSpace(staging, diskMegabytes);
    await unpackWheel(wheel, join(staging, "unpacked"), CPU_FILES);
    await publish(staging, { directory, complete: completeLibTorch });
    return directory;
  } catch (error) {
    // Optional: if the network is down, the download of the pinned wheel reports it.
    if (isReviewKdError(error) && error.code === "DOWNLOAD_FAILED") return undefined;
    throw error;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function fetchCpuHalf(context: InstallContext, pins: Pins, platform: string): Promise<string> {
  const set = pins.platforms[platform] as WheelSet;
  const directory = cacheEntry(context.env, pins.torch, set.variant, platform);
  // Libraries of another platform cannot be inspected here.
  const complete: WheelEntry["complete"] = platform === platformName ? completeLibTorch : markComplete;
  await installWheels(context, { directory, pythonVersion: pins.pythonVersion, set, files: CPU_FILES, complete });
  return directory;
}

async function completeLibTorch(unpacked: string): Promise<void> {
  inspectLibTorch(join(unpacked, "torch"), "downloaded wheel");
  await markComplete(unpacked);
}

/** Installs the CUDA build that this package's addon works with, unless present. */
export async function ensureCudaLibTorch(context: InstallContext, pins: Pins = defaultPins): Promise<LocatedLibTorch> {
  const set = cudaWheels(pins);
  const directory = cudaEntry(context.env, pins.torch, set.variant);
  return withEntryLock(context, directory, async () => {
    const notes: string[] = [];
    const installed = existsSync(directory) ? attempt(() => readEntry(directory), notes) : undefined;
    if (installed !== undefined) return installed;
    for (const note of notes) context.progress(note);
    await installWheels(context, { directory, pythonVersion: pins.pythonVersion, set, files: CUDA_FILES,
      complete: completeLibTorch });
    context.progress(`libtorch ${pins.torch} (${set.variant}) is in ${directory}`);
    return readEntry(directory);
  });
}

/** The wheels of a CUDA build for this platform. @throws ReviewKdError `CUDA_UNAVAILABLE`. */
export function cudaWheels(pins: Pins = defaultPins): WheelSet {
  const set = pins.platforms[platformName]?.cuda;
  if (set !== undefined) return set;
  const platforms = Object.entries(pins.platforms).filter(([, { cuda }]) => cuda !== undefined).map(([name]) => name);
  throw new ReviewKdError("CUDA_UNAVAILABLE",
    `invalid platform: expected ${platforms.join(" or ") || "one"} with a CUDA build of libtorch, received ${platformName}. Use device "cpu" here.`);
}
