// The libtorch of another platform's wheel, wherever this runs.
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cacheEntry, markComplete } from "../libtorch/cache.mjs";
import { downloadPinnedWheels } from "../libtorch/download.mjs";
import { unpack } from "../libtorch/install.mjs";
import { defaultPins } from "../libtorch/locate.mjs";
import { requirePip } from "../libtorch/python.mjs";
import { BuildError } from "../support/errors.mjs";
import { withFileLock } from "../support/file-lock.mjs";

/**
 * Its directory in the cache, filled through pip where it is not there.
 *
 * @param {string} platform such as `win32-x64`
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @returns {Promise<string>}
 * @throws {BuildError} as `ensureLibTorch` throws
 */
export async function libTorchOf(platform, env, progress) {
  const pins = defaultPins.platforms[platform];
  if (pins === undefined) throw new BuildError("LIBTORCH_NOT_FOUND", `expected pins for ${platform}, got none`);
  const entry = cacheEntry(env, defaultPins.torch, pins.variant, platform);
  await withFileLock(join(dirname(entry), `.lock-${platform}`), async () => {
    if (existsSync(entry)) return;
    await requirePip(env);
    const staging = `${entry}.${process.pid}.partial`;
    try {
      await mkdir(staging, { recursive: true });
      await downloadPinnedWheels(env, progress, defaultPins, pins, staging);
      for (const wheel of (await readdir(staging)).filter((name) => name.endsWith(".whl"))) await unpack(env, join(staging, wheel), join(staging, "unpacked"));
      await markComplete(join(staging, "unpacked"));
      await rename(join(staging, "unpacked"), entry);
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  }, () => progress("another process is fetching libtorch: waiting for it"));
  return join(entry, "torch");
}
