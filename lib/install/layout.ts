// Paths of this package, its manifest and the packages installed with it.
import { readFileSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { z } from "zod";
import { exists } from "./look.js";
import { moduleFile, requireIn } from "./runtime.js";

const PACKAGE = "reviewkd";

export const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-arm64", "win32-x64"];

/** Requirements of a platform package's binaries, which `npm run package` writes; a later version may add more. */
export const PlatformRequirements = z.looseObject({
  libtorch: z.string(),
  glibc: z.string().optional(),
  glibcxx: z.string().optional(),
  macos: z.string().optional(),
  /** Required of the processor. */
  instructionSets: z.array(z.string()).default([]),
  /** Used by any code in the binaries, most of it selected at run time. */
  contains: z.array(z.string()).optional(),
});
export interface PlatformRequirements extends z.infer<typeof PlatformRequirements> {}

const Manifest = z.looseObject({ name: z.string(), version: z.string(), libc: z.array(z.string()).optional(),
  reviewkd: PlatformRequirements.optional() });
export type Manifest = z.infer<typeof Manifest>;

export interface PlatformPackage {
  readonly directory: string;
  readonly manifest: Manifest;
}

let knownRoot: string | undefined;

/**
 * The directory of package.json, from the sources and from the compiled files alike. Of code in a bundle it is the
 * package that is installed for the bundle; without one, the directory of the bundle, which is no package.
 */
export function packageRoot(): string {
  return knownRoot ??= findPackageRoot(moduleFile());
}

/** {@link packageRoot} for the module at `file`. */
export function findPackageRoot(file: string | undefined): string {
  const own = file === undefined ? undefined : resolve(dirname(file), "..", "..");
  if (own !== undefined && !isBundled(own)) return own;
  const directories = programDirectories(file);
  const found = directories.map((from) => resolveFrom(from, `${PACKAGE}/package.json`)).find((path) =>
    path !== undefined
  );
  return found === undefined ? directories[0] ?? dirname(process.execPath) : dirname(found);
}

/** Where the program may have its node_modules: next to its bundle, its first script, or its only file. */
function programDirectories(file = moduleFile()): string[] {
  const [, script] = process.argv;
  // A bundler may have written the path of this module where it made the bundle.
  const paths = [file, script, process.execPath].filter((path) => path !== undefined && exists(path)) as string[];
  return [...new Set(paths.map((path) => dirname(resolve(path))))];
}

/** The path of a module as Node resolves it from a directory. */
function resolveFrom(directory: string, name: string): string | undefined {
  try {
    return requireIn(directory).resolve(name);
  } catch {
    return undefined;
  }
}

/** The manifest in `directory`; undefined if missing or invalid. */
export function readManifest(directory: string): Manifest | undefined {
  try {
    return Manifest.parse(JSON.parse(readFileSync(join(directory, "package.json"), "utf8")));
  } catch {
    return undefined;
  }
}

/** Whether `root` is a checkout, which builds its own addon, rather than an installed package. */
export function isCheckout(root: string): boolean {
  return exists(join(root, "CMakeLists.txt")) && exists(join(root, "scripts", "build.ts"));
}

export function platformPackageName(platform: string): string {
  return `@reviewkd/${platform}`;
}

/**
 * The package with the binaries for `platform`, as Node resolves it from `root`, and for a bundle without its package
 * as Node resolves it from the program; undefined if not installed.
 */
export function findPlatformPackage(root: string, platform: string): PlatformPackage | undefined {
  const bases = [root, ...(isBundled(root) ? programDirectories() : [])];
  const paths = bases.map((base) => resolveFrom(base, `${platformPackageName(platform)}/package.json`));
  const path = paths.find((found) => found !== undefined);
  if (path === undefined) return undefined;
  const directory = resolveAsarUnpacked(dirname(path));
  const manifest = readManifest(directory);
  return manifest && { directory, manifest };
}

/** Whether a bundler copied this code out of its package, which is not installed for the bundle. */
export function isBundled(root: string): boolean {
  return readManifest(root)?.name !== PACKAGE;
}

/**
 * The CUDA plugin in its package; undefined if not installed. Resolved from this package and from the working
 * directory: pnpm resolves a package's own dependencies only, and the plugin is not one of them.
 */
export function findCudaPlugin(roots: readonly string[] = [packageRoot(), ...workingDirectory()],
  platform = `${process.platform}-${process.arch}`): string | undefined {
  return roots.map((root) => findPlatformPackage(root, `${platform}-cuda`)).filter((found) => found !== undefined)
    .map(({ directory }) => join(directory, "reviewkd_cuda.so")).find((path) => exists(path));
}

/** The working directory, unless it was removed. */
function workingDirectory(): string[] {
  try {
    return [process.cwd()];
  } catch {
    return [];
  }
}

/** The command that reinstalls packages. `npm ci` is the only one that both shells of Windows understand. */
export function reinstallCommand(platform: string, ...folders: readonly string[]): string {
  return platform.startsWith("win32") ? "npm ci" : `rm -rf ${folders.join(" ")} && npm install`;
}

/** The unpacked copy of a path in an Electron archive, from which the system can load libraries, if there is one. */
export function resolveAsarUnpacked(path: string): string {
  const unpacked = path.replace(/\.asar(?=[/\\])/, ".asar.unpacked");
  return exists(unpacked) ? unpacked : path;
}

export function isInAsar(path: string): boolean {
  return /\.asar[/\\]/.test(path);
}

/** The directory whose `node_modules` contains `root`; undefined outside of one. */
export function projectOf(root: string): string | undefined {
  const at = root.indexOf(`${sep}node_modules${sep}`);
  return at < 0 ? undefined : root.slice(0, at);
}
