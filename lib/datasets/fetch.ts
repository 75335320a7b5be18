import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { atCall, isReviewKdError, messageOf, ReviewKdError } from "../errors.js";
import { makeDirectory } from "../make-directory.js";
import { FetchOptions, type FetchKind } from "../config/schemas/data.js";
import { assertObject, parse } from "../config/validation.js";
import { download, DownloadError, type DownloadProgress } from "./download.js";

/** An archive that can be fetched. */
export interface Archive {
  readonly url: string;
  /** Of the archive, hexadecimal. */
  readonly md5: string;
  /** The only directory in the archive, and the files that are unpacked from it. */
  readonly directory: string;
  readonly files: readonly string[];
}

/** Addresses and checksums, as published on the data sets' home page: https://www.cs.toronto.edu/~kriz/cifar.html */
export const ARCHIVES: Readonly<Record<FetchKind, Archive>> = {
  cifar10: {
    url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    md5: "c32a1d4ab5d03f1284b67883e8d87530",
    directory: "cifar-10-batches-bin",
    files: [...[1, 2, 3, 4, 5].map((index) => `data_batch_${index}.bin`), "test_batch.bin", "batches.meta.txt"],
  },
  cifar100: {
    url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    md5: "03b5dce01913d631647c71ecec9e9cb8",
    directory: "cifar-100-binary",
    files: ["train.bin", "test.bin", "fine_label_names.txt", "coarse_label_names.txt"],
  },
};

/** Options of {@link fetchDataset}. */
export interface FetchDatasetOptions extends FetchOptions {
  /** Stops the download; what was received so far is kept. */
  readonly signal?: AbortSignal | undefined;
  /** Called as bytes arrive. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/**
 * Downloads a data set from its home page, verifies its checksum and unpacks it. An interrupted download resumes where
 * it ended; an existing data set is not downloaded again.
 *
 * @returns the directory of its `.bin` files, which `loadDataset` takes as `root`.
 * @throws `DOWNLOAD_FAILED`, `CHECKSUM_MISMATCH`, `FILE_CORRUPT` (its directory exists with only part of the files),
 * `FILE_ACCESS`, `ABORTED`, `INVALID_ARGUMENT`
 *
 * @example
 * ```ts
 * const root = await fetchDataset({ kind: "cifar100", directory: "data" });
 * const data = await loadDataset({ kind: "cifar100", root });
 * ```
 */
export async function fetchDataset(options: FetchDatasetOptions): Promise<string> {
  return atCall(fetchKind(options));
}

async function fetchKind(options: FetchDatasetOptions): Promise<string> {
  assertObject(options, "fetch options");
  const { signal, onProgress, ...rest } = options;
  const { kind, directory, url } = parse(FetchOptions, rest, "fetch options");
  const archive = ARCHIVES[kind];
  return fetchArchive({ ...archive, url: url ?? archive.url }, { directory, signal, onProgress });
}

/** {@link fetchDataset} for any archive. */
export async function fetchArchive(archive: Archive,
  options: Omit<FetchDatasetOptions, "kind" | "url">): Promise<string> {
  const { directory, signal, onProgress } = options;
  const target = join(directory, archive.directory);
  if (await isComplete(target, archive)) return target;
  const path = join(directory, basename(new URL(archive.url).pathname) || "archive.tar.gz");
  try {
    await makeDirectory(directory);
    await download({ url: archive.url, path, signal, onProgress });
    await verify(path, archive, signal);
    await unpack(path, target, archive, signal);
    await rm(path);
  } catch (error) {
    throw explain(error, archive, path, signal);
  }
  return target;
}

/** Whether all files exist. */
async function isComplete(target: string, archive: Archive): Promise<boolean> {
  const found = await readdir(target).catch(() => undefined);
  if (found === undefined) return false;
  const missing = archive.files.filter((file) => file.endsWith(".bin") && !found.includes(file));
  if (missing.length === 0) return true;
  throw new ReviewKdError("FILE_CORRUPT",
    `invalid directory ${target}: expected all files of ${archive.directory} or no such directory, received one without ${missing.join(", ")}. Remove it and try again.`);
}

async function verify(path: string, archive: Archive, signal: AbortSignal | undefined): Promise<void> {
  const hash = createHash("md5");
  await pipeline(createReadStream(path), hash, { signal });
  const found = hash.digest("hex");
  if (found === archive.md5) return;
  const { size } = await stat(path);
  await rm(path);
  throw new ReviewKdError("CHECKSUM_MISMATCH",
    `invalid archive from ${archive.url}: expected the MD5 checksum ${archive.md5}, received ${size} bytes with ${found}. The file was removed: try again, or name another address of the same archive.`);
}

/** Unpacks into a temporary directory that is renamed at the end, so that the target is either complete or missing. */
async function unpack(path: string, target: string, archive: Archive, signal: AbortSignal | undefined): Promise<void> {
  const { extract } = await import("tar");
  const wanted = new Set(archive.files.map((file) => `${archive.directory}/${file}`));
  const temporary = await mkdtemp(`${target}.`);
  try {
    await extract({ file: path, cwd: temporary, strict: true, filter: (name, entry) =>
      wanted.has(name) && "type" in entry && entry.type === "File" });
    signal?.throwIfAborted();
    const unpacked = join(temporary, archive.directory);
    const found = await readdir(unpacked).catch((): string[] => []);
    const missing = archive.files.filter((file) => !found.includes(file));
    if (missing.length > 0) {
      throw new ReviewKdError("FILE_CORRUPT",
        `invalid archive from ${archive.url}: expected ${missing.join(", ")}, received none. Name another address of the same archive.`);
    }
    await rename(unpacked, target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function explain(error: unknown, archive: Archive, path: string, signal: AbortSignal | undefined): unknown {
  if (isReviewKdError(error)) return error;
  if (signal?.aborted === true) {
    return new ReviewKdError("ABORTED",
      `the download of ${archive.url} was stopped. The next one resumes where it ended.`, { cause: error });
  }
  if (error instanceof DownloadError) {
    const next = error.partial ? "Try again: the next attempt resumes from what was received."
      : "Try again later, or name another address of the same archive.";
    return new ReviewKdError("DOWNLOAD_FAILED",
      `invalid download: expected the archive from ${archive.url}, received none: ${error.message}. ${next} ` +
        `Or download it with a browser and unpack it manually so that ${archive.directory} is next to ${path}.`, {
      cause: error,
    });
  }
  return new ReviewKdError("FILE_ACCESS",
    `invalid directory: expected to write the data set next to ${path}, received ${messageOf(error)}. Choose another directory, or free space.`, { cause: error });
}
