// A lock between processes: a file that its holder keeps fresh.
import { mkdir, open, readFile, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const REFRESH_MS = 5_000;
const STALE_MS = 30_000;
const POLL_MS = 250;

/**
 * Runs `work` while holding the lock file at `path`. A lock whose process is gone from this machine, or that was not refreshed for 30
 * seconds (a cache may be shared between machines), is taken over. Two waiters may take over the same stale lock at once, so what `work` publishes must appear atomically.
 *
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} work
 * @param {() => void} [onWait] called once when another process holds the lock
 * @returns {Promise<T>}
 */
export async function withFileLock(path, work, onWait) {
  await mkdir(dirname(path), { recursive: true });
  let waited = false;
  while (!(await tryCreate(path))) {
    if (await isStale(path)) {
      await rm(path, { force: true });
      continue;
    }
    if (!waited) onWait?.();
    waited = true;
    await delay(POLL_MS);
  }
  const refresh = setInterval(() => {
    const now = new Date();
    // A lock that another process took over is no longer ours to refresh.
    utimes(path, now, now).catch(() => clearInterval(refresh));
  }, REFRESH_MS);
  try {
    return await work();
  } finally {
    clearInterval(refresh);
    await rm(path, { force: true });
  }
}

/** @param {string} path */
async function tryCreate(path) {
  try {
    const file = await open(path, "wx");
    await file.writeFile(`${process.pid} ${hostname()}\n`);
    await file.close();
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
    throw error;
  }
}

/** @param {string} path */
async function isStale(path) {
  const status = await stat(path).catch(() => undefined);
  if (status === undefined) return false;
  if (Date.now() - status.mtimeMs > STALE_MS) return true;
  const [, pid, host] = /^(\d+) (.*)\n$/.exec(await readFile(path, "utf8").catch(() => "")) ?? [];
  return pid !== undefined && host === hostname() && !isAlive(Number(pid));
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code !== "ESRCH";
  }
}
