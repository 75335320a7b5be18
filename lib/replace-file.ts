// Files that are whole or as they were, whatever ends a write.
import { randomInt } from "node:crypto";
import { open, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Name of a temporary file, as in native/core/io/atomic_file.cpp: the target's and a number of the writer, which no
 * other has: on another machine, a process may have the same id.
 */
export function temporaryName(path: string): string {
  return `${path}.tmp-${process.pid}${String(randomInt(1e9)).padStart(9, "0")}`;
}

/** Writes a file atomically and durably. Rejects with the system's error. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await writeFile(temporary, text, { flush: true });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await flushDirectory(dirname(path));
}

/** Flushes a directory, without which a new file name is not durable. */
export async function flushDirectory(path: string): Promise<void> {
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
