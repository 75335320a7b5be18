import { dirname } from "node:path";
import { lock } from "proper-lockfile";
import { makeDirectory } from "../make-directory.js";

const STALE_MS = 10_000;
const POLL_MS = 250;

/**
 * Runs `work` while this process holds the lock at `path`. A lock that its holder has not refreshed for ten seconds is
 * taken over: the holder was killed, or suspended. A suspended one then continues alongside its successor, so what
 * `work` publishes must appear atomically.
 *
 * @param onWait - Called once if another process holds the lock.
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>, onWait?: () => void): Promise<T> {
  await makeDirectory(dirname(path));
  // Without a handler, proper-lockfile throws from a timer when a lock was taken over.
  const options = { lockfilePath: path, realpath: false, stale: STALE_MS, onCompromised: () => undefined };
  const release = await lock(path, options).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "ELOCKED") throw error;
    onWait?.();
    return lock(path, { ...options, retries: { forever: true, factor: 1, minTimeout: POLL_MS, maxTimeout: POLL_MS } });
  });
  try {
    return await work();
  } finally {
    // Fails only for a lock that was taken over.
    await release().catch(() => undefined);
  }
}
