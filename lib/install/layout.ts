// Paths of this package, its manifest and the packages installed with it.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";

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
export type PlatformRequirements = z.infer<typeof PlatformRequirements>;

const Manifest = z.looseObject({ name: z.string(), version: z.string(), libc: z.array(z.string()).optional(),
  reviewkd: PlatformRequirements.optional() });
export type Manifest = z.infer<typeof Manifest>;

export interface PlatformPackage {
  readonly directory: string;
  readonly manifest: Manifest;
}

/** The directory of package.json, from the sources and from the compiled files alike. */
export function packageRoot(): string {
  return resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
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
  return existsSync(join(root, "CMakeLists.txt")) && existsSync(join(root, "scripts", "build.ts"));
}

export function platformPackageName(platform: string): string {
  return `@reviewkd/${platform}`;
}

/** The package with the binaries for `platform`, as Node resolves it from `root`; undefined if not installed. */
export function findPlatformPackage(root: string, platform: string): PlatformPackage | undefined {
  try {
    const path = createRequire(join(root, "package.json")).resolve(`${platformPackageName(platform)}/package.json`);
    const directory = resolveAsarUnpacked(dirname(path));
    const manifest = readManifest(directory);
    return manifest && { directory, manifest };
  } catch {
    return undefined;
  }
}

/**
 * The CUDA plugin in its package; undefined if not installed. Resolved from this package and from the working
 * directory: pnpm resolves a package's own dependencies only, and the plugin is not one of them.
 */
export function findCudaPlugin(roots: readonly string[] = [packageRoot(), process.cwd()],
  platform = `${process.platform}-${process.arch}`): string | undefined {
  return roots.map((root) => findPlatformPackage(root, `${platform}-cuda`)).filter((found) => found !== undefined)
    .map(({ directory }) => join(directory, "reviewkd_cuda.so")).find((path) => existsSync(path));
}

/** The command that reinstalls packages. `npm ci` is the only one that both shells of Windows understand. */
export function reinstallCommand(platform: string, ...folders: readonly string[]): string {
  return platform.startsWith("win32") ? "npm ci" : `rm -rf ${folders.join(" ")} && npm install`;
}

/** The unpacked copy of a path in an Electron archive, from which the system can load libraries, if there is one. */
export function resolveAsarUnpacked(path: string): string {
  const unpacked = path.replace(/\.asar(?=[/\\])/, ".asar.unpacked");
  return existsSync(unpacked) ? unpacked : path;
}

export function isInAsar(path: string): boolean {
  return /\.asar[/\\]/.test(path);
}

/** The directory whose `node_modules` contains `root`; undefined outside of one. */
export function projectOf(root: string): string | undefined {
  const at = root.indexOf(`${sep}node_modules${sep}`);
  return at < 0 ? undefined : root.slice(0, at);
}
