// The addon and the CUDA plugin, compiled here for the libtorch of the GPU machine: its time is spent on measuring, and
// compile errors are found early.
import { copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ensureNcclHeader } from "../cuda/nccl.js";
import { ensureCudaToolkit } from "../cuda/toolkit.js";
import { compileNative } from "../check/libtorch-versions/compile.js";
import { ensureVersion, pinsOf } from "../check/libtorch-versions/pins.js";
import { BuildError } from "../support/errors.js";
import type { InstallContext } from "../../lib/install/pip.js";
import { run } from "../../lib/install/process.js";

export const DEFAULT_TORCH = "2.11.0";

/**
 * Builds addon and plugin of a checkout for the torch, such as `2.11.0`, and the architectures, such as `90`, of a GPU.
 *
 * @returns the directory of the binaries.
 * @throws BuildError USAGE for a version without pins, CMAKE_NOT_FOUND, CONFIGURE_FAILED, COMPILE_FAILED, and what
 * fetching the compiler and libtorch throws.
 */
export async function buildForDevice(root: string, torch: string, architectures: string,
  { env, progress }: InstallContext): Promise<string> {
  const libtorch = await ensureVersion(pinsOf(torch, "--torch"), { env, progress });
  const toolkit = env["CUDA_HOME"] || await ensureCudaToolkit({ env, progress });
  const nccl = await ensureNcclHeader(libtorch, { env, progress });
  progress(`compiling the addon and the plugin for torch ${torch}, architecture ${architectures}`);
  const { output } = await compileNative({ root, directory: join(root, "build/gpu-kit"), libtorch: libtorch.directory,
    toolkit, nccl, architectures, env, fix: "Fix the error, or pass --no-prebuilt." });
  return output;
}

/** Copies the binaries of `directory` to `target` without debug symbols. */
export async function stageBinaries(directory: string, target: string): Promise<void> {
  const names = existsSync(directory) ? readdirSync(directory).filter((name) => /\.(?:node|so)$/.test(name)) : [];
  const missing = ["reviewkd.node", "reviewkd-testing.node"].find((name) => !names.includes(name));
  if (missing !== undefined) {
    throw new BuildError("NOT_BUILT",
      `invalid --prebuilt: expected a directory with ${missing}, received ${directory}. Run \`npm run build:tests\`, or pass --no-prebuilt.`);
  }
  mkdirSync(target, { recursive: true });
  for (const name of names) await strip(join(directory, name), join(target, name), ["--strip-unneeded"]);
}

/** Strips a binary, or copies it unchanged if this machine has no `strip`. */
export async function strip(source: string, target: string, flags: readonly string[] = []): Promise<void> {
  const { status } = await run("strip", [...flags, "-o", target, source]);
  if (status !== 0) copyFileSync(source, target);
}
