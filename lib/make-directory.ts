// Creates directories with their parents in a bounded number of steps. Node's own recursive mkdir, and the packages
// that do the same, never return where the system reports a parent as missing that exists: below /proc, and on some
// FUSE and network file systems.
import { mkdirSync, statSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/** Creates a directory and its missing parents; one that exists is left as it is. Rejects with the system's error. */
export async function makeDirectory(path: string): Promise<void> {
  const steps = creation(path);
  for (let step = steps.next(); step.done !== true;) step = steps.next(await failureOf(step.value));
}

async function failureOf(directory: string): Promise<Error | undefined> {
  try {
    await mkdir(directory);
  } catch (error) {
    const exists = !hasNoParent(error) &&
      await stat(directory).then((found) => found.isDirectory(), () => false);
    if (!exists) return error as Error;
  }
  return undefined;
}

/** {@link makeDirectory} for what must not wait. */
export function makeDirectorySync(path: string): void {
  const steps = creation(path);
  for (let step = steps.next(); step.done !== true;) step = steps.next(failureOfSync(step.value));
}

function failureOfSync(directory: string): Error | undefined {
  try {
    mkdirSync(directory);
  } catch (error) {
    if (hasNoParent(error) || !isDirectory(directory)) return error as Error;
  }
  return undefined;
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/**
 * The directories to create, one after another: upwards to the first that can be created or exists, then downwards,
 * each once more. Receives the error of each, undefined if the directory is there now.
 */
function* creation(path: string): Generator<string, void, Error | undefined> {
  const missing: string[] = [];
  for (let directory = resolve(path);; directory = dirname(directory)) {
    const error = yield directory;
    if (error === undefined) break;
    if (!hasNoParent(error) || dirname(directory) === directory) throw error;
    missing.push(directory);
  }
  for (const directory of missing.reverse()) {
    const error = yield directory;
    if (error !== undefined) throw error;
  }
}

function hasNoParent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
