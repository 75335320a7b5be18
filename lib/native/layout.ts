// Where this package lies, and what lies around it.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";

/** The platforms that packages are made for. */
export const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-arm64", "win32-x64"];

/** What the manifest of a platform package tells of its binaries, as `npm run package` read it from them; a later version may tell more. */
export const PlatformRequirements = z.looseObject({
  libtorch: z.string(),
  glibc: z.string().optional(),
  glibcxx: z.string().optional(),
  macos: z.string().optional(),
  /** That a processor must have. */
  instructionSets: z.array(z.string()).default([]),
  /** All that there is code of, most of it chosen at run time. */
  contains: z.array(z.string()).optional(),
});
export type PlatformRequirements = z.infer<typeof PlatformRequirements>;

const Manifest = z.looseObject({ name: z.string(), version: z.string(), libc: z.array(z.string()).optional(), reviewkd: PlatformRequirements.optional() });
export type Manifest = z.infer<typeof Manifest>;

/** An installed platform package. */
export interface PlatformPackage {
  readonly directory: string;
  readonly manifest: Manifest;
}

/** The directory of package.json, from the sources and from what is built of them alike. */
export function packageRoot(): string {
  return resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
}

/** The manifest in `directory`; undefined where there is none that can be read. */
export function readManifest(directory: string): Manifest | undefined {
  try {
    return Manifest.parse(JSON.parse(readFileSync(join(directory, "package.json"), "utf8")));
  } catch {
    return undefined;
  }
}

/** Whether `root` is a checkout, which builds its own addon, and no installed package. */
export function isCheckout(root: string): boolean {
  return existsSync(join(root, "CMakeLists.txt")) && existsSync(join(root, "scripts", "build.mjs"));
}

/** The name of the package with the binaries for `platform`. */
export function platformPackageName(platform: string): string {
  return `@reviewkd/${platform}`;
}

/** The package with the binaries for `platform`, as Node resolves it from `root`; undefined where it is not installed. */
export function findPlatformPackage(root: string, platform: string): PlatformPackage | undefined {
  let path: string;
  try {
    path = createRequire(join(root, "package.json")).resolve(`${platformPackageName(platform)}/package.json`);
  } catch {
    return undefined;
  }
  const directory = outsideArchive(dirname(path));
  const manifest = readManifest(directory);
  return manifest === undefined ? undefined : { directory, manifest };
}

/**
 * The CUDA plugin of its package; undefined where it is not installed. As Node resolves it from here and, since pnpm shows a package its own
 * dependencies alone and this is none, from the project that is being worked in.
 */
export function findCudaPlugin(roots: readonly string[] = [packageRoot(), process.cwd()], platform = `${process.platform}-${process.arch}`): string | undefined {
  return roots.map((root) => findPlatformPackage(root, `${platform}-cuda`))
    .map((found) => (found === undefined ? undefined : join(found.directory, "reviewkd_cuda.so")))
    .find((path) => path !== undefined && existsSync(path));
}

/** The command that brings packages anew. Windows' two shells agree on no other one, and it takes away all of node_modules first. */
export function reinstallCommand(platform: string, ...folders: readonly string[]): string {
  return platform.startsWith("win32") ? "npm ci" : `rm -rf ${folders.join(" ")} && npm install`;
}

/** Electron's archives hold no libraries that can be loaded: those lie beside, in a directory of the archive's name with `.unpacked`. */
export function outsideArchive(path: string): string {
  const unpacked = path.replace(/\.asar(?=[/\\])/, ".asar.unpacked");
  return existsSync(unpacked) ? unpacked : path;
}

/** Whether `path` lies in an archive of Electron's. */
export function isInArchive(path: string): boolean {
  return /\.asar[/\\]/.test(path);
}

/** The nearest directory above `root` whose `node_modules` it is installed in; undefined outside of one. */
export function projectOf(root: string): string | undefined {
  const at = root.indexOf(`${sep}node_modules${sep}`);
  return at < 0 ? undefined : root.slice(0, at);
}
