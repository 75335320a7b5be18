// Puts the licence of everything that a platform package brings into it. A library that nobody is known to own is not packed.
import { existsSync } from "node:fs";
import { cp, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BuildError } from "../support/errors.mjs";

const OURS = fileURLToPath(new URL("./licenses", import.meta.url));

/**
 * Whose a library is. Of PyTorch are also those that its wheel has the licences of: LLVM's OpenMP, in Intel's build too, and libuv.
 *
 * @type {readonly (readonly [RegExp, string])[]}
 */
const OWNERS = [
  [/^(?:lib)?(?:torch|c10)|^lib(?:omp\.dylib|iomp5md\.dll)|^uv\.dll/, "torch"],
  [/^libcudart/, "nvidia-cuda-runtime"],
  [/^libcupti/, "nvidia-cuda-cupti"],
  [/^libgomp/, "libgomp"],
  [/^libarm_compute/, "arm-compute-library"],
  [/^libnvpl/, "nvpl"],
  // Passed on under the terms of Visual Studio, which the package's README names.
  [/^(?:msvcp|vcruntime)140/i, "microsoft"],
];
const WITHOUT_A_TEXT = "microsoft";

/** Names of wheels whose `.dist-info` holds the licence. */
const OF_WHEELS = ["torch", "nvidia-cuda-runtime", "nvidia-cuda-cupti"];

/**
 * Owners of libraries, each once. oneMKL is linked into libtorch on x86, and has no library of its own.
 *
 * @param {readonly string[]} libraries
 * @param {string} arch as Node calls it
 * @returns {string[]} sorted
 * @throws {BuildError} LICENSE_NOT_FOUND
 */
export function ownersOf(libraries, arch) {
  const owners = libraries.map((name) => {
    const owner = OWNERS.find(([pattern]) => pattern.test(name))?.[1];
    if (owner === undefined) throw new BuildError("LICENSE_NOT_FOUND", `expected to know whose ${name} is, got no owner of it in scripts/package/licenses.mjs; add one, and the licence`);
    return owner;
  });
  return [...new Set([...owners, ...(arch === "x64" ? ["mkl"] : [])])].sort();
}

/**
 * @param {string} libtorch directory with `lib`; the wheels' notes lie beside it
 * @param {readonly string[]} owners
 * @param {string} target
 * @throws {BuildError} LICENSE_NOT_FOUND
 */
export async function copyLicenses(libtorch, owners, target) {
  const beside = dirname(libtorch);
  const names = await readdir(beside);
  for (const owner of owners.filter((name) => name !== WITHOUT_A_TEXT)) {
    const info = names.find((folder) => folder.startsWith(`${owner.replaceAll("-", "_")}-`) && folder.endsWith(".dist-info"));
    const places = OF_WHEELS.includes(owner) ? (info === undefined ? [] : ["licenses", "LICENSE"].map((entry) => join(beside, info, entry))) : [join(OURS, owner)];
    const source = places.find((path) => existsSync(path));
    if (source === undefined) {
      throw new BuildError("LICENSE_NOT_FOUND", `expected the licence of ${owner}, got none; ${OF_WHEELS.includes(owner)
        ? `pack with the libtorch of a wheel, whose .dist-info beside ${libtorch} holds it` : `put it into scripts/package/licenses/${owner}`}`);
    }
    await cp(source, join(target, owner), { recursive: true });
  }
}
