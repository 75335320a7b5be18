// The package's own cache of libtorch: where it is, and whether an entry is still what was unpacked.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { BuildError } from "../support/errors.mjs";

const MARKER = "reviewkd-cache.json";

/**
 * The directory under which everything is cached.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export function cacheRoot(env) {
  if (env["REVIEWKD_CACHE"]) return resolve(env["REVIEWKD_CACHE"]);
  return join(env["XDG_CACHE_HOME"] || join(env["HOME"] || homedir(), ".cache"), "reviewkd");
}

/**
 * The directory of one cached libtorch.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {string} version
 * @param {string} variant
 * @param {string} platform such as `linux-x64`
 */
export function cacheEntry(env, version, variant, platform) {
  return join(cacheRoot(env), "libtorch", `${version}-${variant}-${platform}`);
}

/**
 * Notes the size of every library and the number of headers, so that later damage shows without reading 600 MB again.
 *
 * @param {string} entry
 */
export async function markComplete(entry) {
  await writeFile(join(entry, MARKER), `${JSON.stringify({ libraries: librarySizes(entry), headers: countHeaders(entry) }, undefined, 2)}\n`);
}

/**
 * Checks a cache entry against what was noted when it was unpacked.
 *
 * @param {string} entry an existing directory
 * @throws {BuildError} LIBTORCH_INCOMPLETE
 */
export function checkEntry(entry) {
  const reason = entryDamage(entry);
  if (!reason) return;
  throw new BuildError("LIBTORCH_INCOMPLETE",
    `expected the libtorch that was unpacked for the cache, got ${reason} in ${entry}; run \`npm run build\`, which fetches it again`);
}

/**
 * @param {string} entry
 * @returns {string | undefined}
 */
function entryDamage(entry) {
  const marker = join(entry, MARKER);
  if (!existsSync(marker)) return `no ${MARKER}`;
  /** @type {{ libraries: Record<string, number>, headers: number }} */
  let noted;
  try {
    noted = JSON.parse(readFileSync(marker, "utf8"));
  } catch {
    return `an unreadable ${MARKER}`;
  }
  const found = librarySizes(entry);
  for (const [name, size] of Object.entries(noted.libraries)) {
    if (found[name] === undefined) return `no ${name}`;
    if (found[name] !== size) return `${name} with ${found[name]} instead of ${size} bytes`;
  }
  const headers = countHeaders(entry);
  return headers === noted.headers ? undefined : `${headers} instead of ${noted.headers} headers in its main folders`;
}

/**
 * @param {string} entry
 * @returns {Record<string, number>}
 */
function librarySizes(entry) {
  /** @type {Record<string, number>} */
  const sizes = {};
  const cuda = join(entry, "nvidia");
  const folders = ["torch/lib", "torch.libs", ...(existsSync(cuda) ? readdirSync(cuda).map((name) => `nvidia/${name}/lib`) : [])];
  for (const folder of folders) {
    if (!existsSync(join(entry, folder))) continue;
    for (const name of readdirSync(join(entry, folder))) {
      const status = statSync(join(entry, folder, name));
      if (status.isFile()) sizes[`${folder}/${name}`] = status.size;
    }
  }
  return sizes;
}

/**
 * Headers are counted where most of ours come from: to walk all ten thousand at each build would take longer than the build.
 *
 * @param {string} entry
 */
function countHeaders(entry) {
  const include = join(entry, "torch/include");
  return ["ATen", "ATen/ops", "ATen/core", "c10/core", "c10/util"]
    .map((folder) => join(include, folder))
    .reduce((count, folder) => count + (existsSync(folder) ? readdirSync(folder).length : 0), 0);
}
