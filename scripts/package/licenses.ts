// Adds the licence of every library of a platform package. A library without a known owner is not packed.
import { existsSync } from "node:fs";
import { cp, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BuildError } from "../support/errors.js";

const OURS = fileURLToPath(new URL("./licenses", import.meta.url));

/**
 * The owners of libraries, and their descriptions for the package's README. Libraries whose licences are in PyTorch's
 * wheel count as PyTorch's.
 */
const OWNERS: readonly { libraries: RegExp; owner: string; words: string }[] = [
  { libraries: /^(?:lib)?(?:torch|c10)/, owner: "torch", words: "PyTorch and its components" },
  { libraries: /^libomp\.dylib/, owner: "torch", words: "LLVM's OpenMP runtime" },
  { libraries: /^libiomp5md\.dll/, owner: "torch", words: "LLVM's OpenMP runtime in Intel's build" },
  { libraries: /^uv\.dll/, owner: "torch", words: "libuv" },
  { libraries: /^libcudart/, owner: "nvidia-cuda-runtime", words: "NVIDIA's CUDA runtime" },
  { libraries: /^libcupti/, owner: "nvidia-cuda-cupti", words: "NVIDIA's CUPTI" },
  { libraries: /^libnvpl/, owner: "nvpl", words: "NVIDIA's Performance Libraries" },
  { libraries: /^libarm_compute/, owner: "arm-compute-library", words: "the Arm Compute Library" },
  { libraries: /^libopenblas/, owner: "openblas", words: "OpenBLAS with LAPACK" },
  { libraries: /^lib(?:gomp|gfortran)/, owner: "gcc-runtime",
    words:
      "GCC's runtime libraries under the GPL with the GCC Runtime Library Exception, whose sources are those of GCC, https://gcc.gnu.org" },
  { libraries: /^(?:msvcp|vcruntime)140/i, owner: "microsoft",
    words: "Microsoft's C++ runtime, redistributed unchanged under the terms of Visual Studio" },
];
const WITHOUT_A_TEXT = "microsoft";
const MKL = { owner: "mkl", words: "Intel's oneMKL, which is linked into libtorch" };

/** Names of wheels whose `.dist-info` holds the licence. */
const OF_WHEELS = ["torch", "nvidia-cuda-runtime", "nvidia-cuda-cupti"];

/**
 * The owners of libraries, each once and sorted, with descriptions. oneMKL is linked into libtorch on x86 and has no
 * library of its own.
 *
 * @param arch - As Node calls it.
 * @throws BuildError LICENSE_NOT_FOUND.
 */
export function ownersOf(libraries: readonly string[], arch: string): { owners: string[]; words: string[] } {
  const found = libraries.map((name) => {
    const known = OWNERS.find((entry) => entry.libraries.test(name));
    if (known === undefined)
      throw new BuildError("LICENSE_NOT_FOUND",
        `unknown owner of ${name}. Add the owner to scripts/package/licenses.ts, and the licence.`);
    return known;
  });
  const all = [...OWNERS.filter((entry) => found.includes(entry)), ...(arch === "x64" ? [MKL] : [])];
  return { owners: [...new Set(all.map(({ owner }) => owner))].sort(), words: all.map(({ words }) => words) };
}

/** Copies licences, from the .dist-info next to `libtorch` or from here. @throws BuildError LICENSE_NOT_FOUND. */
export async function copyLicenses(libtorch: string, owners: readonly string[], target: string): Promise<void> {
  const parent = dirname(libtorch);
  const names = await readdir(parent);
  for (const owner of owners.filter((name) => name !== WITHOUT_A_TEXT)) {
    const isOfWheel = OF_WHEELS.includes(owner);
    const prefix = `${owner.replaceAll("-", "_")}-`;
    const info = names.find((folder) => folder.startsWith(prefix) && folder.endsWith(".dist-info"));
    const ofWheel = info === undefined ? [] : ["licenses", "LICENSE"].map((entry) => join(parent, info, entry));
    const places = isOfWheel ? ofWheel : [join(OURS, owner)];
    const source = places.find((path) => existsSync(path));
    if (source === undefined) {
      const fix = isOfWheel ? `Pack with the libtorch of a wheel, whose .dist-info next to ${libtorch} contains it.`
        : `Add it to scripts/package/licenses/${owner}.`;
      throw new BuildError("LICENSE_NOT_FOUND", `missing licence of ${owner}. ${fix}`);
    }
    await cp(source, join(target, owner), { recursive: true });
  }
}
