// Looks at a directory and says whether it holds a libtorch that the addon can be built with.
import { existsSync, openSync, readSync, closeSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../support/errors.mjs";

export const OLDEST_VERSION = "2.11";
export const NEWEST_VERSION = "2.15";
const SUPPORTED = `${OLDEST_VERSION} to ${NEWEST_VERSION}`;
const VERSION_HEADERS = ["include/torch/headeronly/version.h", "include/torch/csrc/api/include/torch/version.h"];
const HEADERS = ["include/ATen/ATen.h", "include/c10/core/Device.h", "include/torch/csrc/api/include/torch/nn.h"];
export const USE_ANOTHER = "set REVIEWKD_LIBTORCH to a supported libtorch, or unset it so that `npm run build` fetches one";

/**
 * @typedef {object} LibTorch
 * @property {string} directory holds `lib` and `include`
 * @property {string} version such as `2.14.1`
 * @property {string} variant `cpu`, or the CUDA release such as `cu130`
 */

/**
 * The names of libtorch's two CPU libraries.
 *
 * @param {NodeJS.Platform} [platform]
 */
export function mainLibraries(platform = process.platform) {
  if (platform === "win32") return ["torch_cpu.dll", "torch_cpu.lib", "c10.dll", "c10.lib"];
  const suffix = platform === "darwin" ? "dylib" : "so";
  return [`libtorch_cpu.${suffix}`, `libc10.${suffix}`];
}

/**
 * Describes the libtorch in `directory` (a libtorch, Python's `torch`, or the directory that holds `torch`).
 *
 * @param {string} directory
 * @param {string} origin how the directory was chosen, for messages
 * @returns {LibTorch}
 * @throws {BuildError} LIBTORCH_NOT_FOUND, LIBTORCH_INCOMPLETE, LIBTORCH_UNSUPPORTED_VERSION or LIBTORCH_WRONG_ABI
 */
export function inspectLibTorch(directory, origin) {
  const root = [directory, join(directory, "torch")].find((path) => existsSync(join(path, "lib")) || existsSync(join(path, "include")));
  if (!root) {
    const found = existsSync(directory) ? "a directory with neither" : "no such directory";
    throw new BuildError("LIBTORCH_NOT_FOUND",
      `expected a libtorch (a directory with lib and include) for ${origin}, got ${found}: ${directory}; ${USE_ANOTHER}`);
  }

  // The version comes first: an old release may well lack what is looked for below.
  const version = readVersion(root);
  if (version && !isSupported(version)) {
    throw new BuildError("LIBTORCH_UNSUPPORTED_VERSION",
      `expected libtorch ${SUPPORTED} for ${origin}, got ${version} in ${root}; ${USE_ANOTHER}`);
  }
  const missing = [...mainLibraries().map((name) => `lib/${name}`), ...HEADERS].filter((name) => !existsSync(join(root, name)));
  if (!version) missing.push(VERSION_HEADERS[1] ?? "");
  if (missing.length > 0) {
    throw new BuildError("LIBTORCH_INCOMPLETE",
      `expected a whole libtorch for ${origin}, got one without ${missing.join(", ")} in ${root}; install it again, or ${USE_ANOTHER}`);
  }
  for (const name of mainLibraries()) {
    const reason = damage(join(root, "lib", name));
    if (!reason) continue;
    throw new BuildError("LIBTORCH_INCOMPLETE",
      `expected a whole lib/${name} for ${origin}, got ${reason} in ${root}; install it again, or ${USE_ANOTHER}`);
  }
  // libtorch's failed-check function takes a std::string; its mangled name tells which of libstdc++'s two strings was meant.
  if (process.platform === "linux" && readFileSync(join(root, "lib/libc10.so")).includes("torchCheckFailEPKcS2_jRKSs")) {
    throw new BuildError("LIBTORCH_WRONG_ABI",
      `expected a libtorch built with the C++11 ABI for ${origin}, got one with the old ABI in ${root}; ${USE_ANOTHER}`);
  }
  return { directory: root, version: /** @type {string} */ (version), variant: readVariant(root) };
}

/**
 * The version that the headers in `root` declare, or undefined.
 *
 * @param {string} root
 */
function readVersion(root) {
  for (const header of VERSION_HEADERS) {
    const path = join(root, header);
    if (!existsSync(path)) continue;
    const text = readFileSync(path, "utf8");
    const parts = ["MAJOR", "MINOR", "PATCH"].map((part) => new RegExp(`#define TORCH_VERSION_${part} +(\\d+)`).exec(text)?.[1]);
    if (parts.every((part) => part !== undefined)) return parts.join(".");
  }
  return undefined;
}

/** @param {string} root */
function readVariant(root) {
  for (const file of ["version.py", "build-version"]) {
    const path = join(root, file);
    const variant = existsSync(path) ? /\d\+([a-z]+[\d.]*)/.exec(readFileSync(path, "utf8"))?.[1] : undefined;
    if (variant) return variant;
  }
  return "cpu";
}

/** @param {string} version */
function isSupported(version) {
  const minor = (/** @type {string} */ text) => text.split(".").slice(0, 2).map(Number).reduce((major, part) => major * 1000 + part, 0);
  return minor(version) >= minor(OLDEST_VERSION) && minor(version) <= minor(NEWEST_VERSION);
}

/**
 * Why a library cannot be whole, or undefined. An ELF file ends with its table of sections, whose place its header gives.
 *
 * @param {string} path
 */
function damage(path) {
  const { size } = statSync(path);
  if (size === 0) return "an empty file";
  if (process.platform !== "linux") return undefined;
  const header = Buffer.alloc(64);
  const file = openSync(path, "r");
  const length = readSync(file, header, 0, header.length, 0);
  closeSync(file);
  if (length < header.length || header.readUInt32BE(0) !== 0x7f454c46) return "a file that is no ELF library";
  const end = Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60);
  return size < end ? `${size} of ${end} bytes` : undefined;
}
