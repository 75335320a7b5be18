// Compiles lib/ into dist/; nothing is started when no source is newer than the last build.
import { chmod, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { BuildError } from "../support/errors.mjs";
import { lastLines, run } from "../support/process.mjs";

const INPUTS = ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"];

/**
 * @param {string} root of the project
 * @returns {Promise<boolean>} whether anything was compiled
 * @throws {BuildError} TYPESCRIPT_FAILED
 */
export async function buildTypeScript(root) {
  const dist = join(root, "dist");
  // The compiler's own record is written after a failure too.
  const stamp = join(dist, ".built");
  if (await isUpToDate(root, stamp)) return false;
  const started = new Date();

  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const { status, output } = await run(process.execPath, [compiler, "-p", "tsconfig.build.json"], { cwd: root });
  if (status !== 0) throw new BuildError("TYPESCRIPT_FAILED", `expected lib to compile, got errors\n${lastLines(output, 60)}`);
  await removeOrphans(root, dist);
  await chmod(join(dist, "cli/main.js"), 0o755).catch((error) => {
    if (error.code !== "ENOENT") throw error;
  });
  await writeFile(stamp, "");
  // What was edited while the compiler ran counts as newer.
  await utimes(stamp, started, started);
  return true;
}

/**
 * @param {string} root
 * @param {string} stamp
 */
async function isUpToDate(root, stamp) {
  const built = await stat(stamp).catch(() => undefined);
  if (!built) return false;
  // A folder's own time tells of files that were added or removed.
  const entries = await readdir(join(root, "lib"), { recursive: true });
  for (const path of [...INPUTS.map((name) => join(root, name)), join(root, "lib"), ...entries.map((name) => join(root, "lib", name))]) {
    const status = await stat(path).catch(() => undefined);
    if (!status || status.mtimeMs > built.mtimeMs) return false;
  }
  return true;
}

/**
 * Removes outputs whose source is gone: an import of one would still succeed.
 *
 * @param {string} root
 * @param {string} dist
 */
async function removeOrphans(root, dist) {
  const sources = new Set((await readdir(join(root, "lib"), { recursive: true })).map((name) => name.replace(/\.ts$/, "")));
  for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(js|js\.map|d\.ts)$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    if (!sources.has(relative(dist, path).replace(/\.(js|js\.map|d\.ts)$/, ""))) await rm(path);
  }
}
