// What libtorch's libraries ask of NVIDIA's, as sources of libraries that stand in for those: see cmake/ReviewkdCudaRecording.cmake.
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readLibrary } from "../package/elf.mjs";

/** Libraries of the system. */
const SYSTEM = /^(?:ld-linux.*|lib(?:c|m|dl|rt|pthread|gcc_s|stdc\+\+|gomp))\.so/;

/** Functions of NVIDIA's libraries, and the code by which each library says that something is not supported. */
const LIBRARIES = /** @type {const} */ ([
  [/^cudnn/, 3000], [/^cublas/, 15], [/^cusparse/, 10], [/^cufft/, 16], [/^curand/, 201], [/^cusolver/, 15], [/^cupti/, 27], [/^nccl/, 5], [/^nvrtc/, 11], [/^nvshmem/, 1],
  [/^(?:__)?cuda/, 801], [/^cu(?:File)?[A-Z]/, 801],
]);

/** Functions of cuBLAS that give the device work: their first argument is the handle with the stream. */
const BLAS_WORK = /^cublas(?:[SDCZ][a-z]|I[a-z]|[A-Z]\w*Ex$)/;

/**
 * Writes sonames.txt and generated.cpp; files that would not change keep their time.
 *
 * @param {string} libtorch a directory with lib/libtorch_cuda.so
 * @param {string} directory
 */
export async function writeStandIns(libtorch, directory) {
  const folder = join(libtorch, "lib");
  const files = (await readdir(folder)).filter((name) => /\.so(?:\.|$)/.test(name));
  /** @type {Set<string>} */
  const sonames = new Set(["libcuda.so.1"]);
  /** @type {Set<string>} */
  const symbols = new Set();
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
    if (BLAS_WORK.test(name)) return [`__attribute__((weak)) int ${name}(void* handle) { return reviewkd_recording_blas("${name}", handle); }`];
    return [`__attribute__((weak)) int ${name}() { return reviewkd_recording_unmodelled("${name}", ${library[1]}); }`];
  });
  await writeChanged(join(directory, "generated.cpp"), [
    "// Written by scripts/cuda/stand-ins.mjs.", 'extern "C" {', "int reviewkd_recording_blas(const char* name, void* handle);",
    "int reviewkd_recording_unmodelled(const char* name, int failure);", ...definitions, "}", "",
  ].join("\n"));
}

/**
 * @param {string} path
 * @param {string} text
 */
async function writeChanged(path, text) {
  if (!existsSync(path) || (await readFile(path, "utf8")) !== text) await writeFile(path, text);
}
