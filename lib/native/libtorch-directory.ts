// A libtorch that is to be used in place of the one beside the addon.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { cacheDirectory } from "./probe.js";

/** A libtorch directory as it was found. */
export interface LibTorchDirectory {
  readonly root: string;
  /** Such as `2.14.1`; undefined where it does not tell. */
  readonly version: string | undefined;
  /** Its main library. */
  readonly library: string;
}

// Written last by whoever installs one.
const MARKER = "reviewkd-cache.json";

/** What the system calls the file of one of libtorch's libraries, of `torch_cpu` say. */
export function libraryFile(name: string, platform: string = process.platform): string {
  if (platform.startsWith("win32")) return `${name}.dll`;
  return platform.startsWith("darwin") ? `lib${name}.dylib` : `lib${name}.so`;
}

const mainLibrary = libraryFile("torch_cpu");

/** The libtorch in `directory`, or in a `torch` below it; undefined where there is none. */
export function readLibTorch(directory: string): LibTorchDirectory | undefined {
  const root = [resolve(directory), resolve(directory, "torch")].find((path) => existsSync(join(path, "lib", mainLibrary)));
  return root === undefined ? undefined : { root, version: versionOf(root), library: join(root, "lib", mainLibrary) };
}

function versionOf(root: string): string | undefined {
  for (const [file, pattern] of [["version.py", /__version__ = '(\d+\.\d+\.\d+)/], ["build-version", /^(\d+\.\d+\.\d+)/]] as const) {
    const path = join(root, file);
    const version = existsSync(path) ? pattern.exec(readFileSync(path, "utf8"))?.[1] : undefined;
    if (version !== undefined) return version;
  }
  return undefined;
}

/** Where CUDA builds of libtorch are installed, one directory each. */
export function cudaLibTorchDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return join(cacheDirectory(env), "libtorch-cuda");
}

/** The installed CUDA builds; what is not whole has no marker yet and is none. */
export function installedCudaLibTorches(env: NodeJS.ProcessEnv = process.env): LibTorchDirectory[] {
  const folder = cudaLibTorchDirectory(env);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const directory = join(folder, name);
    const found = existsSync(join(directory, MARKER)) ? readLibTorch(directory) : undefined;
    return found === undefined ? [] : [found];
  });
}

/** Whether an addon that was built with one version can be loaded with another: libtorch keeps its binary interface within a minor version. */
export function isCompatible(built: string, found: string): boolean {
  const minor = (version: string): string => version.split(".").slice(0, 2).join(".");
  return minor(built) === minor(found);
}
