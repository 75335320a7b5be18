import { readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { withDirectoryErrors } from "./directory-files.js";
import { isReviewKdError, ReviewKdError } from "../errors.js";

/** Checkpoints of a run directory in the order in which they are written, those after every so many epochs apart. */
export const CHECKPOINTS = {
  /** Everything that is needed to go on. */
  last: "last.safetensors",
  /** What `last` was before. */
  previous: "previous.safetensors",
  /** As `last`, of the epoch with the best test accuracy. */
  best: "best.safetensors",
} as const;

const NUMBERED = /^epoch-(\d+)\.safetensors$/;

/** Name of the checkpoint that is kept after so many epochs. */
export function numberedName(epochsDone: number): string {
  return `epoch-${String(epochsDone).padStart(4, "0")}.safetensors`;
}

/** A checkpoint that was passed over. */
export interface DamagedCheckpoint {
  readonly path: string;
  readonly code: string;
  readonly reason: string;
}

/** Where a run goes on from. */
export interface FoundCheckpoint<Content> {
  readonly path: string;
  readonly content: Content;
  /** Newer ones that are torn or damaged. */
  readonly damaged: readonly DamagedCheckpoint[];
}

/**
 * The newest whole checkpoint of a run directory: `last`, else the one before, else the newest of those that are kept.
 *
 * @param read - Reads one; `FILE_CORRUPT` and `FILE_UNSUPPORTED` mean that it cannot be used.
 * @returns nothing where there is no checkpoint at all.
 * @throws `FILE_CORRUPT`: there are some, but none is whole; and whatever else `read` throws.
 */
export async function newestCheckpoint<Content>(directory: string, read: (path: string) => Promise<Content>): Promise<FoundCheckpoint<Content> | undefined> {
  const names = await checkpointNames(directory);
  const damaged: DamagedCheckpoint[] = [];
  for (const name of names) {
    const path = join(directory, name);
    try {
      return { path, content: await read(path), damaged };
    } catch (error) {
      if (!isReviewKdError(error) || (error.code !== "FILE_CORRUPT" && error.code !== "FILE_UNSUPPORTED")) throw error;
      damaged.push({ path, code: error.code, reason: error.message });
    }
  }
  if (damaged.length === 0) return undefined;
  const list = damaged.map(({ path, reason }) => `  - ${basename(path)}: ${reason}`).join("\n");
  throw new ReviewKdError("FILE_CORRUPT", `expected a whole checkpoint in ${directory}, got ${damaged.length} that cannot be used:\n${list}\nRestore one, or start the run anew in another directory.`);
}

/** Newest first. */
async function checkpointNames(directory: string): Promise<string[]> {
  const names = await filesOf(directory);
  const kept = numbered(names).map(({ name }) => name).reverse();
  return [...[CHECKPOINTS.last, CHECKPOINTS.previous].filter((name) => names.includes(name)), ...kept];
}

/** Whether a run directory holds a checkpoint from which it may go on. */
export async function hasCheckpoint(directory: string): Promise<boolean> {
  return (await checkpointNames(directory)).length > 0;
}

/** Puts a damaged `last` aside, so that it never becomes the one before. */
export async function putAside(directory: string, damaged: readonly DamagedCheckpoint[]): Promise<void> {
  const last = join(directory, CHECKPOINTS.last);
  if (!damaged.some(({ path }) => path === last)) return;
  await withDirectoryErrors(directory, () => rename(last, `${last}.damaged`));
}

/** Removes all but the newest of those that are kept after every so many epochs. */
export async function removeOldest(directory: string, keep: number): Promise<void> {
  await withDirectoryErrors(directory, async () => {
    for (const { name } of numbered(await filesOf(directory)).slice(0, -keep)) await rm(join(directory, name), { force: true });
  });
}

/** Oldest first. */
function numbered(names: readonly string[]): { name: string; epochs: number }[] {
  return names
    .flatMap((name) => {
      const epochs = NUMBERED.exec(name)?.[1];
      return epochs === undefined ? [] : [{ name, epochs: Number(epochs) }];
    })
    .sort((a, b) => a.epochs - b.epochs);
}

async function filesOf(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}

/** Whether a file of this name is a checkpoint. */
export function isCheckpointName(name: string): boolean {
  return NUMBERED.test(name) || Object.values<string>(CHECKPOINTS).includes(name);
}
