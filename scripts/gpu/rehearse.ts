// Runs the device's part of the kit on this machine: in a copy of the working tree, with only the environment of a GPU
// machine.
import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "../../lib/install/process.js";
import { copyWorkingTree } from "./tree.js";

export interface Rehearsal {
  /** Of the checkout. */
  readonly root: string;
  /** The packed kit, or a part of the data. */
  readonly kit: string;
  /** For the copy, the results and the device's working files; a second run continues in it. */
  readonly directory: string;
  /** PATH on the device. */
  readonly path: string;
  /** Of run.sh. */
  readonly parameters: readonly string[];
  readonly onLine?: (line: string) => void;
}

/** Runs run.sh. @returns the directory of the results, emptied before. */
export async function rehearse(
  { root, kit, directory, path, parameters, onLine }: Rehearsal,
): Promise<{ status: number | null; out: string; output: string }> {
  const [copy, home, out] = [join(directory, "checkout"), join(directory, "home"), join(directory, "out")];
  if (!existsSync(copy)) await copyWorkingTree(root, copy);
  rmSync(out, { recursive: true, force: true });
  for (const folder of [home, out]) mkdirSync(folder, { recursive: true });
  cpSync(kit, join(copy, basename(kit)), { recursive: true });
  const { status, output } = await run("bash", ["scripts/gpu/device/run.sh", ...parameters], {
    cwd: copy,
    env: { PATH: path, HOME: home, OUT: out, GPU_WORK: join(directory, "work") },
    ...(onLine && { onLine }),
  });
  return { status, out, output };
}
