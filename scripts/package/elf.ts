// A library's own tables, read by binutils: the libraries that it loads, from where, and the versions and symbols that
// it requires.
import { runTool } from "../support/tools.js";

/**
 * The libraries that a library needs, the directories in which they are searched for, the newest versions of glibc and
 * libstdc++ that it requires, and its undefined symbols without their versions: all, and those that must be defined.
 *
 * @throws BuildError TOOL_FAILED.
 */
export async function readLibrary(path: string) {
  const dynamic = await readelf("--dynamic", path);
  const versions = await readelf("--version-info", path);
  const symbols = await readelf("--dyn-syms", path);
  const runPaths = matches(dynamic, /\((?:RUNPATH|RPATH)\)\s+Library r(?:un)?path: \[(.+?)\]/g);
  return {
    needed: matches(dynamic, /\(NEEDED\)\s+Shared library: \[(.+?)\]/g),
    runPath: runPaths.flatMap((paths) => paths.split(":")),
    glibc: newest(matches(versions, /\bName: GLIBC_([\d.]+)/g)),
    glibcxx: newest(matches(versions, /\bName: GLIBCXX_([\d.]+)/g)),
    imports: matches(symbols, /\bUND\s+([^\s@]+)/g),
    strongImports: matches(symbols, /\bGLOBAL\s+DEFAULT\s+UND\s+([^\s@]+)/g),
  };
}

/** The symbols that a library exports, without their versions. @throws BuildError TOOL_FAILED. */
export async function definedSymbols(path: string): Promise<string[]> {
  return matches(await readelf("--dyn-syms", path), /\b(?:GLOBAL|WEAK|UNIQUE)\s+\w+\s+(?!UND)\w+\s+([^\s@]+)/g);
}

/** The newest of several versions. */
export function newest(versions: readonly (string | undefined)[]): string | undefined {
  return versions.filter((version) => version !== undefined).sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .at(-1);
}

async function readelf(what: string, path: string): Promise<string> {
  return (await runTool("readelf", ["--wide", what, path], { failure: `cannot read ${path}`,
    fix: "Install binutils." })).stdout;
}

/** @param pattern - With one group. */
function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, found]) => found ?? "");
}
