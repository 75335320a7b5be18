// Fills cache entries with the needed files of wheels: an entry appears in one rename, when all of its wheels are
// unpacked.
import { createHash } from "node:crypto";
import { createWriteStream, existsSync } from "node:fs";
import { readdir, rename, rm, statfs, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { openPromise, type Entry, type ZipFile } from "yauzl";
import { isError, isReviewKdError, messageOf, ReviewKdError } from "../errors.js";
import { makeDirectory } from "../make-directory.js";
import { cacheRoot } from "./cache.js";
import { withFileLock } from "./file-lock.js";
import { downloadWheel, requirePip, type InstallContext } from "./pip.js";
import type { WheelSet } from "./pins.js";

export interface WheelFilter {
  readonly keep: RegExp;
  readonly drop?: RegExp;
}

/** The addon links the CPU half alone. In a CUDA build, libtorch.so and libtorch_global_deps.so load the CUDA half. */
export const CPU_FILES: WheelFilter = {
  keep:
    /^torch\/(?:include|lib)\/|^torch\.libs\/|^torch\/version\.py$|^nvidia\/.*\/lib\/lib(?:cudart|cupti)\.so\.|\.dist-info\//,
  drop: /^torch\/lib\/(?:.*(?:cuda|python|shm|nvrtc|global_deps)|(?:lib)?torch\.)/,
};

/** Both halves. libtorch_cuda.so loads libtorch_nvshmem.so: of the names with shm only libshm belongs to Python. */
export const CUDA_FILES: WheelFilter = {
  keep: new RegExp(`${CPU_FILES.keep.source}|^nvidia/.*/lib/.*\\.so`),
  drop: /^torch\/lib\/(?:.*python|libshm)/,
};

/** A cache entry and the wheels that fill it. */
export interface WheelEntry {
  readonly directory: string;
  readonly pythonVersion: string;
  readonly set: WheelSet;
  readonly files: WheelFilter;
  /** Checks and completes the unpacked files before the entry appears. */
  readonly complete: (unpacked: string) => Promise<void> | void;
}

/** Runs `work` with the cache folder of `entry` locked; errors of its file system become `FILE_ACCESS`. */
export async function withEntryLock<T>({ env, progress }: InstallContext, entry: string,
  work: () => Promise<T>): Promise<T> {
  try {
    return await withFileLock(join(dirname(entry), ".lock"), work, () => {
      progress("another process is installing: waiting for it");
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (isReviewKdError(error)) throw error;
    if (code === "ENOSPC") throw diskFull(entry);
    if (!["EACCES", "EROFS", "EPERM", "ENOENT", "ENOTDIR", "EEXIST", "ELOOP", "ENAMETOOLONG"].includes(code ?? ""))
      throw error;
    throw new ReviewKdError("FILE_ACCESS",
      `invalid cache ${cacheRoot(env)}: expected a writable directory, received ${messageOf(error)}. Set REVIEWKD_CACHE to a writable directory.`, { cause: error });
  }
}

/** Fills an entry, locked by the caller, wheel by wheel; what an interrupted call unpacked is not downloaded again. */
export async function installWheels(context: InstallContext, entry: WheelEntry): Promise<void> {
  await requirePip(context.env, context.product);
  const staging = `${entry.directory}.partial`;
  const done = join(staging, "done");
  await makeDirectory(done);
  try {
    const requirements = Object.entries(entry.set.wheels);
    // A wheel with another hash is another wheel.
    const noteOf = ([requirement, sha256]: readonly [string, string]): string =>
      `${requirement}-${sha256.slice(0, 16)}`;
    const unpacked = await readdir(done);
    const missing = requirements.filter((wheel) => !unpacked.includes(noteOf(wheel)));
    if (unpacked.length > 0 && missing.length > 0)
      context.progress(`resuming with wheel ${requirements.length - missing.length + 1} of ${requirements.length}`);
    await requireDiskSpace(staging, Math.ceil((entry.set.diskMegabytes * missing.length) / requirements.length));
    for (const wheel of missing) {
      const [requirement, sha256] = wheel;
      const place = `${requirements.indexOf(wheel) + 1} of ${requirements.length}`;
      context.progress(`downloading ${requirement} through pip (${place})`);
      const { pythonVersion, set: { tags } } = entry;
      const path = await downloadWheel(context, { requirement, sha256, pythonVersion, tags },
        join(staging, "download"));
      await unpackWheel(path, join(staging, "unpacked"), entry.files);
      await writeFile(join(done, noteOf(wheel)), "");
    }
    await publish(staging, entry);
  } finally {
    await rm(join(staging, "download"), { recursive: true, force: true });
    if (existsSync(done) && (await readdir(done)).length === 0) await rm(staging, { recursive: true });
  }
}

/** Moves what was unpacked in `staging` to its entry. */
export async function publish(staging: string,
  { directory, complete }: Pick<WheelEntry, "directory" | "complete">): Promise<void> {
  try {
    await complete(join(staging, "unpacked"));
    await rm(directory, { recursive: true, force: true });
    await rename(join(staging, "unpacked"), directory);
  } finally {
    // Wheels that do not make a valid entry must not be taken for a beginning.
    await rm(staging, { recursive: true, force: true });
  }
}

/** Unpacks the wanted files of a wheel. @throws `CHECKSUM_MISMATCH` if one differs from the wheel's RECORD. */
export async function unpackWheel(wheel: string, directory: string, { keep, drop }: WheelFilter): Promise<void> {
  const record = await readRecord(wheel);
  await eachEntry(wheel, async (zip, entry) => {
    const name = entry.fileName;
    if (name.endsWith("/") || !keep.test(name) || drop?.test(name) === true) return;
    const path = join(directory, name);
    await makeDirectory(dirname(path));
    const hash = createHash("sha256");
    // Programs stay executable.
    const mode = (entry.externalFileAttributes >>> 16) & 0o111 ? 0o755 : 0o644;
    await rm(path, { force: true });
    await pipeline(await zip.openReadStreamPromise(entry), async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    }, createWriteStream(path, { mode }));
    const digest = `sha256=${hash.digest("base64url")},${entry.uncompressedSize}`;
    if (!name.endsWith(".dist-info/RECORD") && record.get(name) !== digest) throw corrupt(wheel, `another ${name}`);
  });
}

async function readRecord(wheel: string): Promise<ReadonlyMap<string, string>> {
  let record: string | undefined;
  await eachEntry(wheel, async (zip, entry) => {
    if (/^[^/]*\.dist-info\/RECORD$/.test(entry.fileName)) record = await text(await zip.openReadStreamPromise(entry));
  });
  if (record === undefined) throw corrupt(wheel, "no RECORD");
  // Names that contain a comma or a quote are quoted.
  const rows = [...record.matchAll(/^(?:"((?:[^"]|"")*)"|([^",\r\n]*)),(sha256=[\w-]+,\d+)\r?$/gm)];
  return new Map(rows.map(([, quoted, plain, digest]) => [quoted?.replaceAll('""', '"') ?? plain ?? "", digest ?? ""]));
}

/** yauzl rejects names that lead out of the directory, and sizes and checksums that differ from the archive's list. */
async function eachEntry(wheel: string, work: (zip: ZipFile, entry: Entry) => Promise<void>): Promise<void> {
  try {
    const zip = await openPromise(wheel);
    for await (const entry of zip.eachEntry()) await work(zip, entry);
  } catch (error) {
    // Errors of the file system have a code.
    if (isError(error) && "code" in error && !/^Z_/.test(String(error.code))) throw error;
    throw corrupt(wheel, messageOf(error), error);
  }
}

function corrupt(wheel: string, received: string, cause?: unknown): ReviewKdError {
  return new ReviewKdError("CHECKSUM_MISMATCH",
    `invalid wheel ${basename(wheel)}: expected the files that its RECORD lists, received ${received}. Run the same command again.`, { cause });
}

/** @throws ReviewKdError `FILE_ACCESS`. */
export async function requireDiskSpace(folder: string, megabytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = Math.floor((bavail * bsize) / 1e6);
  if (free < megabytes) throw diskFull(folder, `${megabytes} MB`, `${free} MB`);
}

function diskFull(folder: string, expected = "enough", received = "none"): ReviewKdError {
  return new ReviewKdError("FILE_ACCESS",
    `invalid disk space in ${folder}: expected ${expected} free for unpacking, received ${received}. Free space, or set REVIEWKD_CACHE to a directory on another disk.`);
}
