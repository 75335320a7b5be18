// Runs the device's part of the kit on this machine: in a copy of the working tree, with only the environment of a GPU
// machine.
import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "../../lib/install/process.js";
import { copyWorkingTree } from "./tree.mjs";

/**
 * @param {object} options
 * @param {string} options.root of the checkout
 * @param {string} options.kit the packed kit, or a part of the data
 * @param {string} options.directory for the copy, the results and the device's working files; a second run continues in
 * it
 * @param {string} options.path PATH on the device
 * @param {readonly string[]} options.parameters of run.sh
 * @param {(line: string) => void} [options.onLine]
 * @returns {Promise<{ status: number | null, out: string, output: string }>} the directory of the results, emptied
 * before
 */
export async function rehearse({ root, kit, directory, path, parameters, onLine }) {
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
