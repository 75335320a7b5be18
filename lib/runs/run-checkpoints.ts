import { readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { withDirectoryErrors } from "./directory-files.js";
import type { FitEvent } from "../config/schemas/fit-event.js";
import { isReviewKdError, ReviewKdError } from "../errors.js";

/** Checkpoints of a run directory, except the periodic ones. */
export const CHECKPOINTS = {
  /** Everything that is needed to resume. */
  last: "last.safetensors",
  /** The former `last`. */
  previous: "previous.safetensors",
  /** Like `last`, for the epoch with the best test accuracy. */
  best: "best.safetensors",
} as const;

const NUMBERED = /^epoch-(\d+)\.safetensors$/;

export function numberedName(epochsDone: number): string {
  return `epoch-${String(epochsDone).padStart(4, "0")}.safetensors`;
}

type DamagedCheckpoint = Extract<FitEvent, { type: "resumed" }>["damaged"][number];

/** The checkpoint that a run resumes from, and newer ones that are truncated or damaged. */
interface FoundCheckpoint<Content> {
  readonly path: string;
  readonly content: Content;
  readonly damaged: readonly DamagedCheckpoint[];
}

/**
 * The newest valid checkpoint of a run directory: `last`, else the previous one, else the newest periodic one.
 *
 * @param read - Reads a checkpoint; `FILE_CORRUPT` and `FILE_UNSUPPORTED` mean that it cannot be used.
 * @returns `undefined` if there is no checkpoint at all.
 * @throws `FILE_CORRUPT`: there are checkpoints, but none is valid; and other errors from `read`.
 */
export async function newestCheckpoint<Content>(directory: string,
  read: (path: string) => Promise<Content>): Promise<FoundCheckpoint<Content> | undefined> {
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
  throw new ReviewKdError("FILE_CORRUPT",
    `no valid checkpoint in ${directory}, ${damaged.length} cannot be used:\n${list}\nRestore one, or start a new run in another directory.`);
}

/** Newest first. */
async function checkpointNames(directory: string): Promise<string[]> {
  const names = await filesOf(directory);
  const kept = numbered(names).map(({ name }) => name).reverse();
  return [...[CHECKPOINTS.last, CHECKPOINTS.previous].filter((name) => names.includes(name)), ...kept];
}

export async function hasCheckpoint(directory: string): Promise<boolean> {
  return (await checkpointNames(directory)).length > 0;
}

/** Renames a damaged `last`, so that it never becomes the previous checkpoint. */
export async function renameDamaged(directory: string, damaged: readonly DamagedCheckpoint[]): Promise<void> {
  const last = join(directory, CHECKPOINTS.last);
  if (!damaged.some(({ path }) => path === last)) return;
  await withDirectoryErrors(directory, () => rename(last, `${last}.damaged`));
}

export async function removeOldest(directory: string, keep: number): Promise<void> {
  await withDirectoryErrors(directory, async () => {
    for (const { name } of numbered(await filesOf(directory)).slice(0, -keep))
      await rm(join(directory, name), { force: true });
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

export function isCheckpointName(name: string): boolean {
  return NUMBERED.test(name) || Object.values<string>(CHECKPOINTS).includes(name);
}
