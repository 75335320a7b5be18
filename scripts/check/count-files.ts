import { readFile } from "node:fs/promises";

/**
 * The number of sources that a build compiles, those of unity files included; `compiled` are the files of CMake's
 * compilations.
 */
export async function countFiles(compiled: readonly string[]): Promise<number> {
  const own = compiled.filter((file) => !file.endsWith("cmake_pch.cxx"));
  const parts = await Promise.all(own.map(async (file) => (
    /[/\\]Unity[/\\]/.test(file)
      ? [...(await readFile(file, "utf8")).matchAll(/^#include "(.+)"/gm)].map(([, path]) => path) : [file]
  )));
  return new Set(parts.flat()).size;
}
