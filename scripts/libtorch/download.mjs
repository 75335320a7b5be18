// Downloads wheels with the user's pip, into a directory of ours: nothing is installed into the user's Python.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "../support/errors.mjs";
import { lastLines, run } from "../support/process.mjs";
import { python } from "./python.mjs";

/**
 * @typedef {import("./locate.mjs").Pins} Pins
 * @typedef {import("./locate.mjs").PlatformPins} PlatformPins
 */

const NETWORK = /NewConnectionError|NameResolution|Temporary failure in name resolution|Network is unreachable|Connection (?:refused|reset|aborted)|ConnectionError|ConnectTimeout|ReadTimeout|Read timed out|ProxyError|SSLError|Could not fetch URL|Failed to establish/;
const DISK = /No space left on device|Errno 28/;
const HASHES = /DO NOT MATCH THE HASHES|Expected sha256/;
const NOT_OFFERED = /No matching distribution|Could not find a version/;

/**
 * Downloads the CPU build, where the index that pip is configured with offers one. Its hash is not pinned, since it differs between indexes:
 * pip checks the one that the index gives, and unpacking checks each file against the wheel's RECORD.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @param {Pins} pins
 * @param {PlatformPins} platform
 * @param {string} directory
 * @returns {Promise<boolean>} whether there was one
 */
export async function downloadCpuWheel(env, progress, pins, platform, directory) {
  progress(`asking pip for the CPU build of torch ${pins.torch}`);
  // Asked once and not again: where the network is down the pinned download says so.
  const { status } = await pipDownload(env, pins, platform, directory, ["--retries", "0", "--timeout", "20", `torch==${pins.torch}+cpu`]);
  return status === 0;
}

/**
 * Downloads the pinned wheels; pip checks their hashes.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @param {Pins} pins
 * @param {PlatformPins} platform
 * @param {string} directory
 * @throws {BuildError} NETWORK_UNAVAILABLE, HASH_MISMATCH, DISK_FULL, LIBTORCH_NOT_FOUND or LIBTORCH_FETCH_FAILED
 */
export async function downloadPinnedWheels(env, progress, pins, platform, directory) {
  progress(`downloading torch ${pins.torch} (${platform.variant}) through pip, once for this machine`);
  await downloadPinned(env, progress, pins, platform, platform.wheels, directory);
}

/**
 * Downloads one pinned wheel; pip checks its hash.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @param {Pins} pins
 * @param {Omit<PlatformPins, "cuda">} platform
 * @param {string} requirement
 * @param {string} directory
 * @throws {BuildError} as `downloadPinnedWheels`
 */
export async function downloadPinnedWheel(env, progress, pins, platform, requirement, directory) {
  await downloadPinned(env, progress, pins, platform, { [requirement]: platform.wheels[requirement] ?? "" }, directory);
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {(line: string) => void} progress
 * @param {Pins} pins
 * @param {Omit<PlatformPins, "cuda">} platform
 * @param {Record<string, string>} wheels
 * @param {string} directory
 */
async function downloadPinned(env, progress, pins, platform, wheels, directory) {
  const requirements = join(directory, "requirements.txt");
  await writeFile(requirements, Object.entries(wheels).map(([wheel, hash]) => `${wheel} --hash=sha256:${hash}\n`).join(""));
  // pip says why it got no answer only when it may ask again.
  const { status, output } = await pipDownload(env, pins, platform, directory, ["--retries", "3", "--require-hashes", "--requirement", requirements], progress);
  if (status !== 0) throw pipFailure(output, Object.keys(wheels), directory);
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {Pins} pins
 * @param {Omit<PlatformPins, "cuda">} platform
 * @param {string} directory
 * @param {readonly string[]} wanted
 * @param {(line: string) => void} [progress] told what pip complains of; its progress bar then shows as well
 */
async function pipDownload(env, pins, platform, directory, wanted, progress) {
  const temporary = join(directory, "temporary");
  await mkdir(temporary, { recursive: true });
  const parameters = [
    "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check", "--no-input",
    "--implementation", "cp", "--python-version", pins.pythonVersion, ...platform.tags.flatMap((tag) => ["--platform", tag]),
    "--dest", directory, ...wanted,
  ];
  // pip's temporary directory holds whole wheels, for which the system's may be too small.
  const pipEnv = { ...env, TMPDIR: temporary, TEMP: temporary, TMP: temporary, PIP_REQUIRE_VIRTUALENV: "0" };
  return run(python, parameters, { env: pipEnv, ...(progress && { onLine: progress, inheritOutput: true }) });
}

/**
 * Tells from pip's output why it failed.
 *
 * @param {string} output
 * @param {readonly string[]} wanted
 * @param {string} directory
 */
export function pipFailure(output, wanted, directory) {
  const subject = wanted.join(", ");
  const said = `pip said:\n${lastLines(output)}`;
  if (HASHES.test(output)) {
    return new BuildError("HASH_MISMATCH",
      `expected the pinned SHA-256 for ${subject}, got another file; ${said}\n`
      + "check the index that pip is configured with (pip config list), or set REVIEWKD_LIBTORCH to a libtorch directory");
  }
  if (DISK.test(output)) {
    return new BuildError("DISK_FULL",
      `expected room for the wheels of ${subject}, got a full disk at ${directory}; make room, or set REVIEWKD_CACHE to another disk`);
  }
  // A pip without network ends with "no matching distribution" too, so the network comes first.
  if (NETWORK.test(output)) {
    return new BuildError("NETWORK_UNAVAILABLE",
      `expected pip to download ${subject}, got no answer from its index; ${said}\n`
      + "check the network and pip's index and proxy settings, or set REVIEWKD_LIBTORCH to a libtorch directory");
  }
  if (NOT_OFFERED.test(output)) {
    return new BuildError("LIBTORCH_NOT_FOUND",
      `expected pip's index to offer ${subject}, got none for this platform; ${said}\n`
      + "check the index that pip is configured with (pip config list), or set REVIEWKD_LIBTORCH to a libtorch directory");
  }
  return new BuildError("LIBTORCH_FETCH_FAILED", `expected pip to download ${subject}, got a failure; ${said}`);
}
