import { readFile } from "node:fs/promises";

/** The number of sources that CMake's compilations compile, those of unity files included. */
export async function countFiles(compilations: readonly { file: string }[]): Promise<number> {
  const own = compilations.map(({ file }) => file).filter((file) => !file.endsWith("cmake_pch.cxx"));
  const parts = await Promise.all(own.map(async (file) => {
    if (!/[/\\]Unity[/\\]/.test(file)) return [file];
    return [...(await readFile(file, "utf8")).matchAll(/^#include "(.+)"/gm)].map(([, path]) => path);
  }));
  return new Set(parts.flat()).size;
}
