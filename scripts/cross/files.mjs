// Counts what a build compiles, unity files taken apart.
import { readFile } from "node:fs/promises";

/** @param {readonly string[]} compiled as CMake's compilations name them */
export async function countFiles(compiled) {
  const own = compiled.filter((file) => !file.endsWith("cmake_pch.cxx"));
  const parts = await Promise.all(own.map(async (file) => (
    /[/\\]Unity[/\\]/.test(file) ? [...(await readFile(file, "utf8")).matchAll(/^#include "(.+)"/gm)].map(([, path]) => path) : [file]
  )));
  return new Set(parts.flat()).size;
}
