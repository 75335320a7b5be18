// Puts the licence of everything that a platform package brings into it. A library that nobody is known to own is not packed.
import { existsSync } from "node:fs";
import { cp, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BuildError } from "../support/errors.js";

const OURS = fileURLToPath(new URL("./licenses", import.meta.url));

/**
 * Whose a library is, and how the package's README names it. Of PyTorch are also those that its wheel has the licences of.
 *
 * @type {readonly { libraries: RegExp, owner: string, words: string }[]}
 */
const OWNERS = [
  { libraries: /^(?:lib)?(?:torch|c10)/, owner: "torch", words: "PyTorch with all that it is made of" },
  { libraries: /^libomp\.dylib/, owner: "torch", words: "LLVM's OpenMP runtime" },
  { libraries: /^libiomp5md\.dll/, owner: "torch", words: "LLVM's OpenMP runtime in Intel's build" },
  { libraries: /^uv\.dll/, owner: "torch", words: "libuv" },
  { libraries: /^libcudart/, owner: "nvidia-cuda-runtime", words: "NVIDIA's CUDA runtime" },
  { libraries: /^libcupti/, owner: "nvidia-cuda-cupti", words: "NVIDIA's CUPTI" },
  { libraries: /^libnvpl/, owner: "nvpl", words: "NVIDIA's Performance Libraries" },
  { libraries: /^libarm_compute/, owner: "arm-compute-library", words: "the Arm Compute Library" },
  { libraries: /^libopenblas/, owner: "openblas", words: "OpenBLAS with LAPACK" },
  { libraries: /^lib(?:gomp|gfortran)/, owner: "gcc-runtime", words: "GCC's runtime libraries under the GPL with the GCC Runtime Library Exception, whose sources are those of GCC, https://gcc.gnu.org" },
  { libraries: /^(?:msvcp|vcruntime)140/i, owner: "microsoft", words: "Microsoft's C++ runtime, passed on unchanged under the terms of Visual Studio" },
];
const WITHOUT_A_TEXT = "microsoft";
const MKL = { owner: "mkl", words: "Intel's oneMKL, which is linked into libtorch" };

/** Names of wheels whose `.dist-info` holds the licence. */
const OF_WHEELS = ["torch", "nvidia-cuda-runtime", "nvidia-cuda-cupti"];

/**
 * Owners of libraries, each once and sorted, and what there is of them. oneMKL is linked into libtorch on x86, and has no library of its own.
 *
 * @param {readonly string[]} libraries
 * @param {string} arch as Node calls it
 * @returns {{ owners: string[], words: string[] }}
 * @throws {BuildError} LICENSE_NOT_FOUND
 */
export function ownersOf(libraries, arch) {
  const found = libraries.map((name) => {
    const known = OWNERS.find((entry) => entry.libraries.test(name));
    if (known === undefined) throw new BuildError("LICENSE_NOT_FOUND", `expected to know whose ${name} is, got no owner of it in scripts/package/licenses.mjs; add one, and the licence`);
    return known;
  });
  const all = [...OWNERS.filter((entry) => found.includes(entry)), ...(arch === "x64" ? [MKL] : [])];
  return { owners: [...new Set(all.map(({ owner }) => owner))].sort(), words: all.map(({ words }) => words) };
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
