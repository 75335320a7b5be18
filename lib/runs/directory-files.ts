import { appendFile, link, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { causedBy, isMissing, ReviewKdError } from "../errors.js";
import { flushDirectory, replaceFile, temporaryName } from "../replace-file.js";

/** The value of a JSON text, or `undefined` if it is invalid. */
export function tryParseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The JSON value of a recorded configuration. @throws `RUN_DIRECTORY` */
export function parseRecorded(path: string, text: string, what: "run" | "study"): unknown {
  const recorded = tryParseJson(text);
  if (recorded !== undefined) return recorded;
  throw new ReviewKdError("RUN_DIRECTORY",
    `invalid ${path}: expected JSON, received other text. Restore the file to resume the ${what}.`);
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}

/** The file's text, or `undefined` if it is missing. @throws `RUN_DIRECTORY` */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw causedBy("RUN_DIRECTORY", `cannot read ${path}`, error, "Check its permissions.");
  }
}

/** A name of {@link temporaryName}, or of native/core/io/atomic_file.cpp. */
const TEMPORARY = /^(.+)\.tmp-\d+$/;

/** Writes a file atomically and durably. @throws `RUN_DIRECTORY` */
export async function writeAtomic(directory: string, path: string, text: string): Promise<void> {
  await withDirectoryErrors(directory, () => replaceFile(path, text));
}

/**
 * Writes a file like {@link writeAtomic} unless there is one: of several processes that do this, one succeeds.
 *
 * @returns whether this one did.
 * @throws `RUN_DIRECTORY`
 */
export async function createAtomic(directory: string, path: string, text: string): Promise<boolean> {
  const temporary = temporaryName(path);
  return withDirectoryErrors(directory, async () => {
    try {
      await writeFile(temporary, text, { flush: true });
      // A file system without links creates the file in two steps, the first of which only one process can take.
      await link(temporary, path).catch((error: unknown) => {
        if (isThere(error)) throw error;
        return writeFile(path, text, { flush: true, flag: "wx" });
      });
    } catch (error) {
      if (isThere(error)) return false;
      throw error;
    } finally {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
    await flushDirectory(dirname(path));
    return true;
  });
}

function isThere(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "EEXIST";
}

/** Appends text to a file and waits until it is on disk. @throws `RUN_DIRECTORY` */
export async function appendFlushed(directory: string, path: string, text: string): Promise<void> {
  await withDirectoryErrors(directory, () => appendFile(path, text, { flush: true }));
}

/**
 * Removes temporary files of a process that was killed while writing.
 *
 * @param minAgeMs - keeps younger ones; longer than a write where other processes may be writing. Default 0.
 */
export async function removeTemporaries(directory: string, isOurs: (name: string) => boolean,
  minAgeMs = 0): Promise<void> {
  await withDirectoryErrors(directory, async () => {
    for (const name of await readdir(directory)) {
      const target = TEMPORARY.exec(name)?.[1];
      const path = join(directory, name);
      if (target !== undefined && isOurs(target) && await isOlder(path, minAgeMs)) await rm(path, { force: true });
    }
  });
}

async function isOlder(path: string, ageMs: number): Promise<boolean> {
  if (ageMs === 0) return true;
  return stat(path).then(({ mtimeMs }) => Date.now() - mtimeMs >= ageMs, () => false);
}

/** @throws `RUN_DIRECTORY`: wraps errors from `work` and adds the directory and the fix. */
export async function withDirectoryErrors<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw writeError(directory, error);
  }
}

/** The error for a directory that cannot be written. */
export function writeError(directory: string, cause: unknown): ReviewKdError {
  return causedBy("RUN_DIRECTORY", `cannot write to the directory ${directory}`, cause,
    "Choose another directory, free disk space or change its permissions.");
}
