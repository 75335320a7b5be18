import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { extract } from "tar";
import { download, DownloadError, type DownloadProgress } from "./download.js";
import { messageOf, ReviewKdError } from "./errors.js";
import { FetchOptions, type FetchKind } from "./config/schemas/fetch.js";
import { parse } from "./config/validation.js";

/** An archive that can be fetched. */
export interface Archive {
  readonly url: string;
  /** Of the archive, hexadecimal. */
  readonly md5: string;
  /** The one directory in the archive, and what is taken out of it. */
  readonly directory: string;
  readonly files: readonly string[];
}

/** Addresses and checksums as the data sets' home page gives them: https://www.cs.toronto.edu/~kriz/cifar.html */
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
  /** Stops the download; what came so far is kept. */
  readonly signal?: AbortSignal | undefined;
  /** Told as bytes arrive. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/**
 * Downloads a data set from its home page, verifies its checksum and unpacks it. A download that was cut off goes on
 * where it ended; a data set that is there already is not downloaded again.
 *
 * @returns the directory of its `.bin` files, which `loadDataset` takes as `root`.
 * @throws `DOWNLOAD_FAILED`, `CHECKSUM_MISMATCH`, `FILE_CORRUPT` (a directory with part of the files is in the way),
 * `FILE_ACCESS`, `ABORTED`, `INVALID_ARGUMENT`
 *
 * @example
 * ```ts
 * const root = await fetchDataset({ kind: "cifar100", directory: "data" });
 * const data = await loadDataset({ kind: "cifar100", root });
 * ```
 */
export async function fetchDataset(options: FetchDatasetOptions): Promise<string> {
  const { signal, onProgress, ...rest } = options;
  const { kind, directory, url } = parse(FetchOptions, rest, "fetch options");
  const archive = ARCHIVES[kind];
  return fetchArchive({ ...archive, url: url ?? archive.url }, { directory, signal, onProgress });
}

/** {@link fetchDataset} for any archive. */
export async function fetchArchive(archive: Archive, options: Omit<FetchDatasetOptions, "kind" | "url">): Promise<string> {
  const { directory, signal, onProgress } = options;
  const target = join(directory, archive.directory);
  if (await isComplete(target, archive)) return target;
  const path = join(directory, basename(new URL(archive.url).pathname) || "archive.tar.gz");
  try {
    await mkdir(directory, { recursive: true });
    await download({ url: archive.url, path, signal, onProgress });
    await verify(path, archive, signal);
    await unpack(path, target, archive, signal);
    await rm(path);
  } catch (error) {
    throw explain(error, archive, path, signal);
  }
  return target;
}

/** Tells whether all files are there. */
async function isComplete(target: string, archive: Archive): Promise<boolean> {
  const found = await readdir(target).catch(() => undefined);
  if (found === undefined) return false;
  const missing = archive.files.filter((file) => file.endsWith(".bin") && !found.includes(file));
  if (missing.length === 0) return true;
  throw new ReviewKdError(
    "FILE_CORRUPT",
    `expected all files of ${archive.directory} in ${target}, or no such directory, got one without ${missing.join(", ")}. Remove it and try again.`,
  );
}

async function verify(path: string, archive: Archive, signal: AbortSignal | undefined): Promise<void> {
  const hash = createHash("md5");
  await pipeline(createReadStream(path), hash, { signal });
  const found = hash.digest("hex");
  if (found === archive.md5) return;
  const { size } = await stat(path);
  await rm(path);
  throw new ReviewKdError(
    "CHECKSUM_MISMATCH",
    `expected an archive with the MD5 checksum ${archive.md5} from ${archive.url}, got ${size} bytes with ${found}. The file was removed; try again, or name another address of the same archive.`,
  );
}

/** Unpacks beside the target and renames in the end, so that the target is there whole or not at all. */
async function unpack(path: string, target: string, archive: Archive, signal: AbortSignal | undefined): Promise<void> {
  const wanted = new Set(archive.files.map((file) => `${archive.directory}/${file}`));
  const temporary = await mkdtemp(`${target}.`);
  try {
    await extract({
      file: path,
      cwd: temporary,
      strict: true,
      filter: (name, entry) => wanted.has(name) && "type" in entry && entry.type === "File",
    });
    signal?.throwIfAborted();
    const unpacked = join(temporary, archive.directory);
    const found = await readdir(unpacked).catch((): string[] => []);
    const missing = archive.files.filter((file) => !found.includes(file));
    if (missing.length > 0) {
      throw new ReviewKdError("FILE_CORRUPT", `expected ${missing.join(", ")} in the archive from ${archive.url}, got none`);
    }
    await rename(unpacked, target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function explain(error: unknown, archive: Archive, path: string, signal: AbortSignal | undefined): unknown {
  if (error instanceof ReviewKdError) return error;
  if (signal?.aborted === true) {
    return new ReviewKdError("ABORTED", `the download of ${archive.url} was stopped; the next one goes on where it ended.`, { cause: error });
  }
  if (error instanceof DownloadError) {
    const next = error.partial ? "What came so far is kept: the next attempt goes on from there." : "Try again later, or name another address of the same archive.";
    return new ReviewKdError(
      "DOWNLOAD_FAILED",
      `expected the archive from ${archive.url}, got none: ${error.message}. ${next} ` +
        `To do it by hand, download the archive with a browser and unpack it so that ${archive.directory} lies beside ${path}.`,
      { cause: error },
    );
  }
  return new ReviewKdError("FILE_ACCESS", `expected to write the data set beside ${path}, got ${messageOf(error)}`, { cause: error });
}
