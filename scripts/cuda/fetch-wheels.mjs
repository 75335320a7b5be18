// Wheels of pip's, unpacked into an entry of the cache: it appears in one rename when all of it is there.
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { downloadPinnedWheels } from "../libtorch/download.mjs";
import { requireDiskSpace, unpack } from "../libtorch/install.mjs";
import { requirePip } from "../libtorch/python.mjs";
import { BuildError } from "../support/errors.mjs";

/**
 * @typedef {object} WheelEntry
 * @property {string} entry the directory that is filled
 * @property {string} contents a file in it, without which it is not whole
 * @property {string} code of the error if it lacks that
 * @property {string} flag of unpack.py: what is kept of the wheels
 * @property {import("../libtorch/locate.mjs").PlatformPins} platform
 * @property {import("../libtorch/locate.mjs").Pins} pins
 * @property {(directory: string) => Promise<void>} [complete] called with the directory before it is renamed
 */

/**
 * The caller holds the entry's lock.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @param {WheelEntry} what
 * @throws {BuildError} `code`, and what pip and the disk are missing
 */
export async function fetchWheels(env, progress, { entry, contents, code, flag, platform, pins, complete }) {
  await requirePip(env);
  const staging = `${entry}.partial`;
  const [wheels, unpacked] = [join(staging, "wheels"), join(staging, "unpacked")];
  // The holder of the lock before this one may have been interrupted.
  await rm(staging, { recursive: true, force: true });
  await mkdir(wheels, { recursive: true });
  await requireDiskSpace(staging, platform.diskMegabytes);
  try {
    await downloadPinnedWheels(env, progress, pins, platform, wheels);
    for (const wheel of (await readdir(wheels)).filter((name) => name.endsWith(".whl")).sort()) await unpack(env, join(wheels, wheel), unpacked, [flag]);
    if (!existsSync(join(unpacked, contents))) throw new BuildError(code, `invalid wheels: expected ${contents} in them, received none.`);
    await complete?.(unpacked);
    await rm(entry, { recursive: true, force: true });
    await rename(unpacked, entry);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}
