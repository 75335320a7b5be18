// The package's cache: its location, and whether an entry still equals what was unpacked.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { homedir, userInfo } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import { withHome } from "../config/file-path.js";
import { causedBy, ReviewKdError } from "../errors.js";

/** The file that is written last into an entry: one without it is incomplete. */
export const MARKER = "reviewkd-cache.json";

const Contents = z.object({ libraries: z.record(z.string(), z.number()), headers: z.number() });

/** The platform's name in packages, pins and cache entries, such as `linux-x64`. */
export const platformName = `${process.platform}-${process.arch}`;

/** The remedy for a cache that cannot be used. */
export const CACHE_REMEDY = "set REVIEWKD_CACHE to a directory that this user can read and write";

/**
 * The directory under which the package caches everything that can be downloaded or computed again.
 *
 * @throws ReviewKdError `FILE_ACCESS` if nothing says where the user's directory is.
 */
export function cacheRoot(env: NodeJS.ProcessEnv = process.env): string {
  // @env REVIEWKD_CACHE users: The directory of downloads and of what can be computed again. Default: `reviewkd` in
  // `XDG_CACHE_HOME`.
  // @env XDG_CACHE_HOME users: The directory of the user's caches, an absolute path. Default: `.cache` in `HOME`.
  // @env HOME users: The user's directory, an absolute path. Default: the one that the system knows.
  const own = env["REVIEWKD_CACHE"];
  if (own) return resolve(withHome(own, "REVIEWKD_CACHE"));
  return join(absolute(env["XDG_CACHE_HOME"]) ?? join(absolute(env["HOME"]) ?? home(), ".cache"), "reviewkd");
}

/** The XDG specification has relative paths ignored. */
function absolute(path = ""): string | undefined {
  return isAbsolute(path) ? path : undefined;
}

/** Unknown to the system for a user that it has no entry for, as in many containers. */
function home(): string {
  try {
    // Node takes the one of HOME, whatever it holds.
    const directory = absolute(homedir()) ?? userInfo().homedir;
    if (isAbsolute(directory)) return directory;
    throw new Error(`the system says "${directory}"`);
  } catch (error) {
    throw causedBy("FILE_ACCESS", "invalid cache: expected a user with a home directory, received none", error,
      "Set REVIEWKD_CACHE to a directory that this user can read and write.");
  }
}

export function cacheEntry(env: NodeJS.ProcessEnv, version: string, variant: string,
  platform: string = platformName): string {
  return join(cacheRoot(env), "libtorch", `${version}-${variant}-${platform}`);
}

export function cudaLibTorchDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return join(cacheRoot(env), "libtorch-cuda");
}

/** The directory of an installed CUDA build. An unfinished one has the same name with `.partial` appended. */
export function cudaEntry(env: NodeJS.ProcessEnv, version: string, variant: string): string {
  return join(cudaLibTorchDirectory(env), `${version}-${variant}-${platformName}`);
}

/** Records sizes of libraries and the number of headers, which show damage without reading gigabytes again. */
export async function markComplete(entry: string): Promise<void> {
  await writeFile(join(entry, MARKER), `${JSON.stringify(contentsOf(entry), undefined, 2)}\n`);
}

/** Compares a cache entry with the record of its contents. @throws ReviewKdError `FILE_CORRUPT`. */
export function checkEntry(entry: string): void {
  const damage = damageOf(entry);
  if (damage === undefined) return;
  throw new ReviewKdError("FILE_CORRUPT",
    `invalid cache entry: expected the libtorch that was unpacked into ${entry}, received ${damage}. Run \`npm run build\`, which downloads it again.`);
}

function damageOf(entry: string): string | undefined {
  const marker = join(entry, MARKER);
  if (!existsSync(marker)) return `no ${MARKER}`;
  let recorded: z.infer<typeof Contents>;
  try {
    recorded = Contents.parse(JSON.parse(readFileSync(marker, "utf8")));
  } catch {
    return `an unreadable ${MARKER}`;
  }
  const { libraries, headers } = contentsOf(entry);
  for (const [name, size] of Object.entries(recorded.libraries)) {
    if (libraries[name] === undefined) return `no ${name}`;
    if (libraries[name] !== size) return `${name} with ${libraries[name]} instead of ${size} bytes`;
  }
  return headers === recorded.headers ? undefined
    : `${headers} instead of ${recorded.headers} headers in its main folders`;
}

function contentsOf(entry: string): z.infer<typeof Contents> {
  const list = (folder: string): string[] => (existsSync(join(entry, folder)) ? readdirSync(join(entry, folder)) : []);
  const libraries: Record<string, number> = {};
  for (const folder of ["torch/lib", "torch.libs", ...list("nvidia").map((name) => `nvidia/${name}/lib`)]) {
    for (const name of list(folder)) {
      const status = statSync(join(entry, folder, name));
      if (status.isFile()) libraries[`${folder}/${name}`] = status.size;
    }
  }
  // Only the folders that most includes refer to: walking all ten thousand headers at each build would take longer than
  // the build.
  const folders = ["ATen", "ATen/ops", "ATen/core", "c10/core", "c10/util"].map((folder) =>
    list(`torch/include/${folder}`)
  );
  return { libraries, headers: folders.reduce((count, names) => count + names.length, 0) };
}
