import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { tryParseJson, writeError } from "./directory-files.js";
import { isReviewKdError, ReviewKdError } from "../errors.js";
import { addon } from "../native.js";
import type { NativeFileLock } from "../native-types.js";

/** The file in a directory that identifies the process that writes there. */
export const LOCK_FILE = "run.lock";

const Holder = z.object({
  pid: z.int(),
  /** Clock ticks from system boot to the start of the process; `null` if unknown. */
  startTicks: z.number().nullable(),
  host: z.string(),
  /** Identifies one boot of one machine, including its containers; `null` if unknown. */
  bootId: z.string().nullable(),
  /** ISO 8601. */
  since: z.string(),
});
type Holder = z.infer<typeof Holder>;

/**
 * Exclusive write access to a directory. A kernel lock is released however the process ends, so that a killed process
 * leaves no stale lock, and it also separates two runs of one process. The file content identifies the owner to other
 * processes, and decides where the kernel cannot: on a file system without locks, and if another machine wrote it.
 */
export class DirectoryLock {
  #isReleased = false;

  private constructor(private readonly directory: string, private readonly native: NativeFileLock) {}

  /** Acquires the lock. @throws `RUN_LOCKED`: names the owner and the time; `RUN_DIRECTORY`: it cannot be written. */
  static async take(directory: string, { forceUnlock = false } = {}): Promise<DirectoryLock> {
    const path = join(directory, LOCK_FILE);
    let native: NativeFileLock | undefined;
    try {
      native = await addon().lockFile(path);
      const holder = await readHolder(path);
      if (native === undefined) throw heldHere(directory, holder);
      if (holder !== undefined)
        await assertReleased(directory, path, { holder, kernelDecides: native.supported(), forceUnlock });
      native.write(`${JSON.stringify(await ownHolder())}\n`);
      return new DirectoryLock(directory, native);
    } catch (error) {
      native?.dispose();
      throw isReviewKdError(error) && error.code === "FILE_ACCESS" ? writeError(directory, error) : error;
    }
  }

  /**
   * Whether the lock is still valid: the directory, or the lock file in it, may have been removed, and a process of
   * another machine may have taken the directory over.
   */
  intact(): boolean {
    return !this.#isReleased && this.native.intact();
  }

  /** Acquires the lock again after the directory was recreated. @throws `RUN_LOCKED` */
  async again(): Promise<DirectoryLock> {
    this.release();
    return DirectoryLock.take(this.directory);
  }

  release(): void {
    this.#isReleased = true;
    this.native.dispose();
  }
}

/** @throws `RUN_LOCKED` if the recorded owner, which holds no kernel lock, may still be running. */
async function assertReleased(directory: string, path: string,
  lock: { readonly holder: Holder; readonly kernelDecides: boolean; readonly forceUnlock: boolean }): Promise<void> {
  const { holder, kernelDecides, forceUnlock } = lock;
  const own = await ownHolder();
  if (holder.bootId === own.bootId && holder.bootId !== null) {
    if (kernelDecides || !(await isAlive(holder))) return;
    throw heldHere(directory, holder);
  }
  // The same machine, rebooted since then.
  if (holder.host === own.host || forceUnlock) return;
  throw new ReviewKdError("RUN_LOCKED",
    `the directory ${directory} is locked by ${described(holder)}, whose state cannot be checked from this machine. ` +
      `If it has ended, use forceUnlock (on the command line --force-unlock) or remove ${path}.`);
}

function heldHere(directory: string, holder: Holder | undefined): ReviewKdError {
  const who = holder === undefined ? "another process" : described(holder);
  return new ReviewKdError("RUN_LOCKED",
    `the directory ${directory} is locked by ${who}. Wait until it ends, stop it, or choose another directory.`);
}

function described({ pid, host, since }: Holder): string {
  return `process ${pid} on ${host} (since ${since})`;
}

async function readHolder(path: string): Promise<Holder | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  return Holder.safeParse(tryParseJson(text)).data;
}

async function ownHolder(): Promise<Holder> {
  const bootId = await readFile("/proc/sys/kernel/random/boot_id", "utf8").then((text) => text.trim(), () => null);
  return { pid: process.pid, startTicks: await startTicks(process.pid), host: hostname(), bootId,
    since: new Date().toISOString() };
}

/** Whether the process runs. Its id may have been reused by a process with another start time. */
async function isAlive({ pid, startTicks: began }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return began === null || began === await startTicks(pid);
}

/** @see proc_pid_stat(5), field 22; the program name before it may contain any character. */
async function startTicks(pid: number): Promise<number | null> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (text === undefined) return null;
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[19]);
}
