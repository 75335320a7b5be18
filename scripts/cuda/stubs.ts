// Writes the sources of stub libraries for everything that libtorch imports from NVIDIA's: see
// cmake/ReviewkdCudaRecording.cmake.
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { readLibrary } from "../package/elf.js";
import { writeChanged } from "../support/files.js";

/** Libraries of the system. */
const SYSTEM = /^(?:ld-linux.*|lib(?:c|m|dl|rt|pthread|gcc_s|stdc\+\+|gomp))\.so/;

/** Functions of NVIDIA's libraries, and the code by which each library reports that something is not supported. */
const LIBRARIES = [
  [/^cudnn/, 3000],
  [/^cublas/, 15],
  [/^cusparse/, 10],
  [/^cufft/, 16],
  [/^curand/, 201],
  [/^cusolver/, 15],
  [/^cupti/, 27],
  [/^nccl/, 5],
  [/^nvrtc/, 11],
  [/^nvshmem/, 1],
  [/^(?:__)?cuda/, 801],
  [/^cu(?:File)?[A-Z]/, 801],
] as const;

/** Functions of cuBLAS that submit work to the device: their first argument is the handle with the stream. */
const BLAS_WORK = /^cublas(?:[SDCZ][a-z]|I[a-z]|[A-Z]\w*Ex$)/;

/**
 * Writes sonames.txt and generated.cpp; unchanged files keep their time.
 *
 * @param libtorch - A directory with lib/libtorch_cuda.so.
 */
export async function writeStubs(libtorch: string, directory: string): Promise<void> {
  const folder = join(libtorch, "lib");
  const files = (await readdir(folder)).filter((name) => /\.so(?:\.|$)/.test(name));
  const sonames = new Set(["libcuda.so.1"]);
  const symbols = new Set<string>();
  for (const file of files) {
    const { needed, imports } = await readLibrary(join(folder, file));
    for (const name of needed) if (!SYSTEM.test(name) && !files.includes(name)) sonames.add(name);
    for (const name of imports) symbols.add(name);
  }
  await mkdir(directory, { recursive: true });
  await writeChanged(join(directory, "sonames.txt"), `${[...sonames].sort().join("\n")}\n`);
  const definitions = [...symbols].sort().flatMap((name) => {
    const library = LIBRARIES.find(([pattern]) => pattern.test(name));
    if (library === undefined) return [];
    if (BLAS_WORK.test(name))
      return [`__attribute__((weak)) int ${name}(void* handle) { return reviewkd_recording_blas("${name}", handle); }`];
    return [`__attribute__((weak)) int ${name}() { return reviewkd_recording_unmodelled("${name}", ${library[1]}); }`];
  });
  await writeChanged(join(directory, "generated.cpp"), [
    "// Written by scripts/cuda/stubs.ts.",
    'extern "C" {',
    "int reviewkd_recording_blas(const char* name, void* handle);",
    "int reviewkd_recording_unmodelled(const char* name, int failure);",
    ...definitions,
    "}",
    "",
  ].join("\n"));
}
