// The package with the plugin for CUDA devices alone: kernels and glue. libtorch's CUDA half, which it works with, does not fit a
// registry: `reviewkd libtorch install --cuda` fetches that.
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildCuda } from "../build/cuda.js";
import { platformName } from "../../lib/install/cache.js";
import { BuildError } from "../support/errors.js";
import { lastLines, run } from "../../lib/install/process.js";
import { readLibrary } from "./elf.mjs";

/**
 * Builds the plugin and lays its package out in `directory`, which is empty.
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
  if (status !== 0) throw new BuildError("TOOL_FAILED", `expected strip to succeed, got ${startError ? "no such program" : lastLines(output)}; install binutils`);
  const { glibc, glibcxx } = await readLibrary(target);
  const { version, engines } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const manifest = {
    name: `@reviewkd/${platformName}-cuda`, version, license: "MIT",
    description: `Kernels of reviewkd for CUDA devices on ${platformName}, for libtorch ${libtorch}.`,
    os: [process.platform], cpu: [process.arch], libc: ["glibc"], engines, preferUnplugged: true,
    reviewkd: { libtorch, ...(glibc && { glibc }), ...(glibcxx && { glibcxx }), instructionSets: [] },
  };
  await writeFile(join(directory, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  await copyFile(join(root, "LICENSE"), join(directory, "LICENSE"));
  await writeFile(join(directory, "README.md"), `# @reviewkd/${platformName}-cuda

Kernels for CUDA devices: a plugin that the package \`reviewkd\` loads where it finds this one installed and a GPU. It works with libtorch ${libtorch},
whose CUDA half \`npx reviewkd libtorch install --cuda\` puts into your cache. \`npx reviewkd doctor\` tells whether it is used.
`);
}
