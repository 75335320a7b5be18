// The package with only the plugin for CUDA devices: kernels and glue. libtorch's CUDA half, which it requires, is too
// large for a registry: `reviewkd libtorch install --cuda` fetches it.
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildCuda } from "../build/cuda.js";
import { platformName } from "../../lib/install/cache.js";
import { BuildError } from "../support/errors.js";
import { lastLines, run } from "../../lib/install/process.js";
import { readLibrary } from "./elf.mjs";
import { sharedFields } from "./manifest.mjs";

/**
 * Builds the plugin and stages its package in `directory`, which is empty.
 *
 * @param {string} root of the checkout
 * @param {string} directory
 * @param {(line: string) => void} progress
 * @throws {BuildError} TOOL_FAILED, and what `buildCuda` throws
 */
export async function stageCudaPackage(root, directory, progress) {
  const { plugin, libtorch: { version: libtorch } } = await buildCuda(root, { env: process.env, progress });
  await mkdir(directory, { recursive: true });
  const target = join(directory, "reviewkd_cuda.so");
  const { status, output, startError } = await run("strip", ["--strip-unneeded", "-o", target, plugin]);
  if (status !== 0)
    throw new BuildError("TOOL_FAILED",
      `strip failed: ${startError ? "no such program. " : `\n${lastLines(output)}\n`}Install binutils.`);
  const { glibc, glibcxx } = await readLibrary(target);
  const own = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const manifest = cudaManifest(own, { libtorch, ...(glibc && { glibc }), ...(glibcxx && { glibcxx }),
    instructionSets: [] });
  await writeFile(join(directory, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  await copyFile(join(root, "LICENSE"), join(directory, "LICENSE"));
  await writeFile(join(directory, "README.md"), `# @reviewkd/${platformName}-cuda

Kernels for CUDA devices: a plugin that the package \`reviewkd\` loads if this package is installed and a GPU is available. It works with libtorch ${libtorch},
whose CUDA half \`npx reviewkd libtorch install --cuda\` puts into your cache. \`npx reviewkd doctor\` reports whether it is used.
`);
}

/**
 * The manifest of the package with the plugin.
 *
 * @param {Record<string, unknown>} own the checkout's manifest
 * @param {{ libtorch: string, glibc?: string, glibcxx?: string, instructionSets: string[] }} requirements
 */
export function cudaManifest(own, requirements) {
  return {
    name: `@reviewkd/${platformName}-cuda`,
    ...sharedFields(own),
    description: `Kernels of reviewkd for CUDA devices on ${platformName}, for libtorch ${requirements.libtorch}.`,
    license: "MIT",
    os: [process.platform],
    cpu: [process.arch],
    libc: ["glibc"],
    preferUnplugged: true,
    reviewkd: requirements,
  };
}
