// Reads what a directory holds of libtorch, and whether an addon can be built or loaded with it.
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import diff from "semver/functions/diff.js";
import satisfies from "semver/functions/satisfies.js";
import { causedBy, ReviewKdError } from "../errors.js";
import { cudaLibTorchDirectory, MARKER } from "./cache.js";
import { exists } from "./look.js";

/** Minor versions of libtorch that the addon compiles with. */
export const OLDEST_VERSION = "2.11";
export const NEWEST_VERSION = "2.15";

const VERSION_HEADER = "include/torch/headeronly/version.h";
const HEADERS = ["include/ATen/ATen.h", "include/c10/core/Device.h", "include/torch/csrc/api/include/torch/nn.h"];
const REMEDY = "Set REVIEWKD_LIBTORCH to a supported libtorch, or unset it so that `npm run build` downloads one.";

/** A libtorch that an addon can be loaded with. */
export interface LibTorchDirectory {
  readonly root: string;
  /** Such as `2.14.1`; undefined if the directory does not record it. */
  readonly version: string | undefined;
  readonly library: string;
}

/** A libtorch that an addon can be built with. */
export interface LibTorch {
  /** Contains `lib` and `include`. */
  readonly directory: string;
  /** Such as `2.14.1`. */
  readonly version: string;
  /** `cpu`, or the CUDA release such as `cu130`. */
  readonly variant: string;
}

/** The file name of one of libtorch's libraries, such as `torch_cpu`. */
export function libraryFile(name: string, platform: string = process.platform): string {
  if (platform.startsWith("win32")) return `${name}.dll`;
  return platform.startsWith("darwin") ? `lib${name}.dylib` : `lib${name}.so`;
}

/** The names of libtorch's two CPU libraries, with the files that Windows links with. */
export function mainLibraries(platform: string = process.platform): string[] {
  const files = (name: string) => [libraryFile(name, platform), ...(platform === "win32" ? [`${name}.lib`] : [])];
  return ["torch_cpu", "c10"].flatMap(files);
}

/** The libtorch in `directory`, or in `torch` below it; undefined if neither holds one. */
export function readLibTorch(directory: string): LibTorchDirectory | undefined {
  const name = join("lib", libraryFile("torch_cpu"));
  const root = [resolve(directory), resolve(directory, "torch")].find((path) => exists(join(path, name)));
  return root === undefined ? undefined : { root, version: versionOf(root).version, library: join(root, name) };
}

/** Recorded by Python's `torch` in version.py, by an unpacked libtorch in build-version, else in headers alone. */
function versionOf(root: string): { version?: string | undefined; variant?: string | undefined } {
  const path = ["version.py", "build-version", VERSION_HEADER].map((name) => join(root, name)).find((file) =>
    exists(file)
  );
  if (path === undefined) return {};
  const text = readFileSync(path, "utf8");
  const parts = ["MAJOR", "MINOR", "PATCH"].map((part) =>
    new RegExp(`#define TORCH_VERSION_${part} +(\\d+)`).exec(text)?.[1]
  );
  if (!parts.includes(undefined)) return { version: parts.join(".") };
  const [, version, variant] = /(\d+\.\d+\.\d+)\w*(?:\+([a-z]+[\d.]*))?/.exec(text) ?? [];
  return { version, variant };
}

/**
 * The installed CUDA builds; an unfinished one has no marker yet and is left out.
 *
 * @throws ReviewKdError `FILE_ACCESS` if the cache cannot be read.
 */
export function installedCudaLibTorches(env: NodeJS.ProcessEnv = process.env): LibTorchDirectory[] {
  const folder = cudaLibTorchDirectory(env);
  const names = namesIn(folder);
  return names.map((name) => join(folder, name)).filter((directory) => exists(join(directory, MARKER)))
    .map(readLibTorch).filter((found) => found !== undefined);
}

/** `existsSync` would take a folder that may not be read for one that is missing. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw causedBy("FILE_ACCESS", `invalid cache: expected a directory that can be read, received ${folder}`, error,
      "Set REVIEWKD_CACHE to a directory that this user can read and write.");
  }
}

/** Whether an addon works with another version: libtorch keeps its binary interface within a minor version. */
export function isCompatible(built: string, found: string): boolean {
  return [null, "patch"].includes(diff(built, found));
}

/**
 * Describes the libtorch in `directory` (a libtorch, Python's `torch`, or the directory that contains `torch`).
 *
 * @param origin - How the directory was chosen, for messages.
 * @throws ReviewKdError `FILE_NOT_FOUND`, `FILE_CORRUPT` (incomplete or damaged), `FILE_UNSUPPORTED` (another version,
 * or the ABI from before C++11).
 */
export function inspectLibTorch(directory: string, origin: string): LibTorch {
  const root = [directory, join(directory, "torch")].find((path) =>
    exists(join(path, "lib")) || exists(join(path, "include"))
  );
  if (root === undefined) {
    const found = exists(directory) ? "a directory with neither" : "no such directory";
    throw invalid("FILE_NOT_FOUND", origin, "a libtorch (a directory with lib and include)", `${found}: ${directory}`);
  }
  // The version comes first: an old release may lack what is looked for below.
  const { version, variant = "cpu" } = versionOf(root);
  if (version !== undefined && !satisfies(version, `${OLDEST_VERSION} - ${NEWEST_VERSION}`)) {
    throw invalid("FILE_UNSUPPORTED", origin, `libtorch ${OLDEST_VERSION} to ${NEWEST_VERSION}`,
      `${version} in ${root}`);
  }
  const missing = [...mainLibraries().map((name) => `lib/${name}`), ...HEADERS].filter((name) =>
    !exists(join(root, name))
  );
  if (version === undefined || missing.length > 0) {
    throw invalid("FILE_CORRUPT", origin, "a complete libtorch",
      `one without ${missing.join(", ") || VERSION_HEADER} in ${root}`);
  }
  for (const name of mainLibraries()) {
    const damage = damageOf(join(root, "lib", name));
    if (damage !== undefined) throw invalid("FILE_CORRUPT", origin, `a complete lib/${name}`, `${damage} in ${root}`);
  }
  // libtorch's failed-check function takes a std::string; its mangled name shows which of libstdc++'s two strings is
  // meant.
  if (process.platform === "linux" &&
    readFileSync(join(root, "lib/libc10.so")).includes("torchCheckFailEPKcS2_jRKSs")) {
    throw invalid("FILE_UNSUPPORTED", origin, "a libtorch built with the C++11 ABI", `one with the old ABI in ${root}`);
  }
  return { directory: root, version, variant };
}

function invalid(code: "FILE_NOT_FOUND" | "FILE_CORRUPT" | "FILE_UNSUPPORTED", origin: string, expected: string,
  received: string): ReviewKdError {
  return new ReviewKdError(code, `invalid ${origin}: expected ${expected}, received ${received}. ${REMEDY}`);
}

/** Why a library cannot be complete. An ELF file ends with its section table, whose position its header records. */
function damageOf(path: string): string | undefined {
  const { size } = statSync(path);
  if (size === 0) return "an empty file";
  if (process.platform !== "linux") return undefined;
  const header = Buffer.alloc(64);
  const file = openSync(path, "r");
  const length = readSync(file, header, 0, header.length, 0);
  closeSync(file);
  if (length < header.length || header.readUInt32BE(0) !== 0x7f454c46) return "a file that is not an ELF library";
  const end = Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60);
  return size < end ? `${size} of ${end} bytes` : undefined;
}
