// The part of the working tree that is copied to the GPU machine: tracked files and untracked ones that git does not
// ignore.
import { cpSync, existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { BuildError } from "../support/errors.js";
import { run } from "../../lib/install/process.js";

/** The paths relative to the root. */
export async function workingTree(root: string): Promise<string[]> {
  const { status, stdout } = await run("git", ["-C", root, "ls-files", "-z", "--cached", "--others",
    "--exclude-standard"]);
  if (status !== 0)
    throw new BuildError("NOT_A_CHECKOUT",
      `invalid checkout: expected a git working tree, received ${root}. Pack the kit in a clone of the repository.`);
  // A deleted file is still listed until the deletion is committed.
  return stdout.split("\0").filter((name) => name !== "" && existsSync(join(root, name)));
}

/** The size of these files together. */
export function bytesOf(root: string, names: readonly string[]): number {
  return names.reduce((sum, name) => sum + statSync(join(root, name)).size, 0);
}

/** Copies the working tree into an empty directory. */
export async function copyWorkingTree(root: string, target: string): Promise<void> {
  for (const name of await workingTree(root)) {
    mkdirSync(dirname(join(target, name)), { recursive: true });
    cpSync(join(root, name), join(target, name));
  }
}
