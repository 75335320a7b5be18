import { appendFile, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { messageOf, ReviewKdError } from "../errors.js";

/** What a JSON text holds, or `undefined` where it is none. */
export function tryParseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}

/**
 * The file's text, or `undefined` where there is no file.
 *
 * @throws `RUN_DIRECTORY`
 */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw new ReviewKdError("RUN_DIRECTORY", `expected to read ${path}, got ${messageOf(error)}`, { cause: error });
  }
}

/** What native code names its temporary files, too (native/core/io/atomic_file.cpp): the file's name and the writer's process. */
const TEMPORARY = /^(.+)\.tmp-\d+$/;

/**
 * Writes a file so that it appears whole or not at all, and stays when the power goes.
 *
 * @throws `RUN_DIRECTORY`
 */
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

/**
 * Adds text to a file and waits until it is on the disk.
 *
 * @throws `RUN_DIRECTORY`
 */
export async function appendFlushed(directory: string, path: string, text: string): Promise<void> {
  await withDirectoryErrors(directory, () => appendFile(path, text, { flush: true }));
}

/** A new name lasts only once its directory is on the disk. */
async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } catch (error) {
    // A file system that cannot flush a directory says so by one of these, and Windows, where names need no flushing, by the last.
    if (!["EINVAL", "ENOTSUP", "ENOSYS", ...(process.platform === "win32" ? ["EPERM"] : [])].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  } finally {
    await directory.close();
  }
}

/**
 * Removes what a process left that was killed while it wrote. Nobody else may be writing here.
 *
 * @param isOurs - Whether a file of this name is written in this way.
 * @throws `RUN_DIRECTORY`
 */
export async function removeTemporaries(directory: string, isOurs: (name: string) => boolean): Promise<void> {
  await withDirectoryErrors(directory, async () => {
    for (const name of await readdir(directory)) {
      const target = TEMPORARY.exec(name)?.[1];
      if (target !== undefined && isOurs(target)) await rm(join(directory, name), { force: true });
    }
  });
}

/** @throws `RUN_DIRECTORY`: what `work` threw, with the directory and what to do. */
export async function withDirectoryErrors<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new ReviewKdError(
      "RUN_DIRECTORY",
      `expected a directory that can be written for a run, got ${directory}: ${messageOf(error)}. Choose another one, or make room or change its permissions.`,
      { cause: error },
    );
  }
}
