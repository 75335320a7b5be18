import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";

/**
 * The processors that this process may use, at least 1: by its affinity and, in a container, by its CPU quota.
 *
 * The addon knows them as well (`processors` of `systemInfo()`), and quotas of control groups of version 1 with them.
 * A launcher loads neither it nor libtorch: it would hold hundreds of megabytes for as long as its processes train.
 */
export function processors(root = "/sys/fs/cgroup", own = ownCgroup()): number {
  let least = availableParallelism();
  for (let group = own;; group = dirname(group)) {
    const [, quota, period] = /^(\d+) (\d+)/.exec(contentOf(join(root, group, "cpu.max"))) ?? [];
    if (quota !== undefined) least = Math.min(least, Math.ceil(Number(quota) / Number(period)));
    if (dirname(group) === group) return Math.max(1, least);
  }
}

/** The path of this process's control group (version 2); the root's if there is none. */
function ownCgroup(): string {
  return /^0::(\/.*)$/m.exec(contentOf("/proc/self/cgroup"))?.[1] ?? "/";
}

/** Empty where there is no such file, as on other systems. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
