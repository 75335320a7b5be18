import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { tryParseJson } from "./directory-files.js";
import { isReviewKdError, ReviewKdError } from "../errors.js";
import { addon, type NativeFileLock } from "../native.js";

/** The file in a directory that says who writes there. */
export const LOCK_FILE = "run.lock";

/** Who holds a lock. */
const Holder = z.object({
  pid: z.int(),
  /** Clock ticks from the start of the machine to that of the process; `null` where the system does not tell. */
  startTicks: z.number().nullable(),
  host: z.string(),
  /** Names one start of one machine, containers on it included; `null` where the system does not tell. */
  bootId: z.string().nullable(),
  /** ISO 8601. */
  since: z.string(),
});
type Holder = z.infer<typeof Holder>;

/**
 * The right to write into a directory. The kernel holds it for this process and takes it back however the process ends, so that no
 * kill can leave a lock that somebody has to remove; it also keeps two runs of one process apart. What stands in the file tells others
 * who holds it, and decides where the kernel cannot: on a file system without locks, and where another machine wrote it.
 */
export class DirectoryLock {
  private constructor(private readonly directory: string, private readonly native: NativeFileLock) {}

  /**
   * @param options - `forceUnlock`: take over what another machine seems to hold.
   * @throws `RUN_LOCKED`: says who holds it, and since when; `RUN_DIRECTORY`: the lock cannot be written.
   */
  static async take(directory: string, { forceUnlock = false } = {}): Promise<DirectoryLock> {
    const path = join(directory, LOCK_FILE);
    const native = await lockFile(directory, path);
    const holder = await readHolder(path);
    if (native === undefined) throw heldHere(directory, holder);
    try {
      if (holder !== undefined) await refuseLiving(directory, path, { holder, kernelDecides: native.supported(), forceUnlock });
      native.write(`${JSON.stringify(await ownHolder())}\n`);
    } catch (error) {
      native.dispose();
      throw asDirectoryError(directory, error);
    }
    return new DirectoryLock(directory, native);
  }

  /** Whether the directory is still ours: it, or the lock in it, may have been removed. */
  intact(): boolean {
    return this.native.intact();
  }

  /** Takes the lock anew in a directory that was made anew. */
  async again(): Promise<DirectoryLock> {
    this.release();
    return DirectoryLock.take(this.directory);
  }

  release(): void {
    this.native.dispose();
  }
}

async function lockFile(directory: string, path: string): Promise<NativeFileLock | undefined> {
  try {
    return await addon().lockFile(path);
  } catch (error) {
    throw asDirectoryError(directory, error);
  }
}

function asDirectoryError(directory: string, error: unknown): unknown {
  if (!isReviewKdError(error) || error.code !== "FILE_ACCESS") return error;
  const remedy = "Choose another one, or make room or change its permissions.";
  return new ReviewKdError("RUN_DIRECTORY", `expected a directory that can be written for a run, got ${directory}: ${error.message}. ${remedy}`, { cause: error });
}

/** Judges a holder whose lock the kernel does not know of (any more). */
async function refuseLiving(
  directory: string, path: string, found: { readonly holder: Holder; readonly kernelDecides: boolean; readonly forceUnlock: boolean },
): Promise<void> {
  const { holder, kernelDecides, forceUnlock } = found;
  const own = await ownHolder();
  if (holder.bootId === own.bootId && holder.bootId !== null) {
    if (kernelDecides || !(await isAlive(holder))) return;
    throw heldHere(directory, holder);
  }
  // The same machine, which has been started anew since then.
  if (holder.host === own.host || forceUnlock) return;
  throw new ReviewKdError(
    "RUN_LOCKED",
    `expected a run directory that nobody else writes to, got ${directory}, which ${described(holder)} held and never gave back. ` +
      `Whether it still runs cannot be told from here: if it does not, use forceUnlock (on the command line --force-unlock) or remove ${path}.`,
  );
}

function heldHere(directory: string, holder: Holder | undefined): ReviewKdError {
  const who = holder === undefined ? "another process" : described(holder);
  return new ReviewKdError(
    "RUN_LOCKED",
    `expected a run directory that nobody else writes to, got ${directory}, which ${who} holds. Wait until it is done, stop it, or choose another directory.`,
  );
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
  return { pid: process.pid, startTicks: await startTicks(process.pid), host: hostname(), bootId, since: new Date().toISOString() };
}

/** A number of a process that has ended may have been given to another one, which began at another time. */
async function isAlive({ pid, startTicks: began }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return began === null || began === await startTicks(pid);
}

/** @see proc_pid_stat(5), field 22; the name of the program before it may hold anything. */
async function startTicks(pid: number): Promise<number | null> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (text === undefined) return null;
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[19]);
}
