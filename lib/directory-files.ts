import { randomUUID } from "node:crypto";
import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { messageOf, ReviewKdError } from "./errors.js";

/** What a JSON text holds, or `undefined` where it is none. */
export function jsonOrNothing(text: string): unknown {
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

/**
 * Writes a file so that it appears whole or not at all.
 *
 * @throws `RUN_DIRECTORY`
 */
export async function writeWhole(directory: string, path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  await guarded(directory, async () => {
    try {
      await writeFile(temporary, text, { flush: true });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  });
}

/** @throws `RUN_DIRECTORY`: what `work` threw, with the directory and what to do. */
export async function guarded<T>(directory: string, work: () => Promise<T>): Promise<T> {
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
