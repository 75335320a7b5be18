// The package with only the plugin for CUDA devices: kernels and glue. libtorch's CUDA half, which it requires, is too
// large for a registry: `reviewkd libtorch install --cuda` fetches it.
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildCuda } from "../build/cuda.js";
import { platformName } from "../../lib/install/cache.js";
import { readJson, writeJson } from "../support/files.js";
import { stripBinary } from "../support/tools.js";
import { readLibrary } from "./elf.js";
import { binaryManifest } from "./manifest.js";
import type { Requirements } from "./platform.js";

/**
 * Builds the plugin of a checkout and stages its package in `directory`, which is empty.
 *
 * @throws BuildError TOOL_FAILED, and what `buildCuda` throws.
 */
export async function stageCudaPackage(root: string, directory: string,
  progress: (line: string) => void): Promise<void> {
  const { plugin, libtorch: { version: libtorch } } = await buildCuda(root, { env: process.env, progress });
  await mkdir(directory, { recursive: true });
  const target = join(directory, "reviewkd_cuda.so");
  await stripBinary(plugin, target);
  const { glibc, glibcxx } = await readLibrary(target);
  const own = await readJson(join(root, "package.json"));
  const manifest = cudaManifest(own, { libtorch, ...(glibc && { glibc }), ...(glibcxx && { glibcxx }),
    instructionSets: [] });
  await writeJson(join(directory, "package.json"), manifest);
  await copyFile(join(root, "LICENSE"), join(directory, "LICENSE"));
  await writeFile(join(directory, "README.md"), `# @reviewkd/${platformName}-cuda

Kernels for CUDA devices: a plugin that the package \`reviewkd\` loads if this package is installed and a GPU is available. It works with libtorch ${libtorch},
whose CUDA half \`npx reviewkd libtorch install --cuda\` puts into your cache. \`npx reviewkd doctor\` reports whether it is used.
`);
}

/** The manifest of the package with the plugin, from the checkout's own. */
export function cudaManifest(own: Record<string, unknown>, requirements: Omit<Requirements, "variant">) {
  const description = `Kernels of reviewkd for CUDA devices on ${platformName}, for libtorch ${requirements.libtorch}.`;
  return binaryManifest("-cuda", own, { description, license: "MIT" }, requirements);
}
