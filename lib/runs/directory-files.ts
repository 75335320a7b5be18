import { appendFile, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { causedBy, isMissing, ReviewKdError } from "../errors.js";

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

/** Name of a temporary file, as in native/core/io/atomic_file.cpp: the target's and the writer's process id. */
const TEMPORARY = /^(.+)\.tmp-\d+$/;

/** Writes a file atomically and durably. @throws `RUN_DIRECTORY` */
export async function writeAtomic(directory: string, path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}`;
  await withDirectoryErrors(directory, async () => {
    try {
      await writeFile(temporary, text, { flush: true });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    await flushDirectory(dirname(path));
  });
}

/** Appends text to a file and waits until it is on disk. @throws `RUN_DIRECTORY` */
export async function appendFlushed(directory: string, path: string, text: string): Promise<void> {
  await withDirectoryErrors(directory, () => appendFile(path, text, { flush: true }));
}

/** Flushes a directory, without which a new file name is not durable. */
async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } catch (error) {
    // Reported by file systems that cannot flush a directory, and EPERM by Windows, where names need no flushing.
    if (!["EINVAL", "ENOTSUP", "ENOSYS", ...(process.platform === "win32" ? ["EPERM"] : [])].includes(
      (error as NodeJS.ErrnoException).code ?? "",
    )) throw error;
  } finally {
    await directory.close();
  }
}

/** Removes temporary files of a process that was killed while writing. No other process may be writing here. */
export async function removeTemporaries(directory: string, isOurs: (name: string) => boolean): Promise<void> {
  await withDirectoryErrors(directory, async () => {
    for (const name of await readdir(directory)) {
      const target = TEMPORARY.exec(name)?.[1];
      if (target !== undefined && isOurs(target)) await rm(join(directory, name), { force: true });
    }
  });
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
