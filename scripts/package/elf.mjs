// A library's own tables, read by binutils: the libraries that it loads, from where, and the versions and symbols that
// it requires.
import { BuildError } from "../support/errors.js";
import { lastLines, run } from "../../lib/install/process.js";

/**
 * @typedef {object} Library
 * @property {string[]} needed names of the libraries that it loads
 * @property {string[]} runPath directories in which they are searched for
 * @property {string | undefined} glibc the newest version that it requires
 * @property {string | undefined} glibcxx
 * @property {string[]} imports undefined symbols, without their versions
 * @property {string[]} strongImports those that must be defined
 */

/**
 * @param {string} path
 * @returns {Promise<Library>}
 * @throws {BuildError} TOOL_FAILED
 */
export async function readLibrary(path) {
  const dynamic = await readelf("--dynamic", path);
  const versions = await readelf("--version-info", path);
  const symbols = await readelf("--dyn-syms", path);
  return {
    needed: matches(dynamic, /\(NEEDED\)\s+Shared library: \[(.+?)\]/g),
    runPath: matches(dynamic, /\((?:RUNPATH|RPATH)\)\s+Library r(?:un)?path: \[(.+?)\]/g).flatMap((paths) =>
      paths.split(":")
    ),
    glibc: newest(matches(versions, /\bName: GLIBC_([\d.]+)/g)),
    glibcxx: newest(matches(versions, /\bName: GLIBCXX_([\d.]+)/g)),
    imports: matches(symbols, /\bUND\s+([^\s@]+)/g),
    strongImports: matches(symbols, /\bGLOBAL\s+DEFAULT\s+UND\s+([^\s@]+)/g),
  };
}

/**
 * The symbols that a library exports, without their versions.
 *
 * @param {string} path
 * @returns {Promise<string[]>}
 * @throws {BuildError} TOOL_FAILED
 */
export async function definedSymbols(path) {
  return matches(await readelf("--dyn-syms", path), /\b(?:GLOBAL|WEAK|UNIQUE)\s+\w+\s+(?!UND)\w+\s+([^\s@]+)/g);
}

/**
 * The newest of several versions.
 *
 * @param {readonly (string | undefined)[]} versions
 */
export function newest(versions) {
  const parts = (/** @type {string} */ version) => version.split(".").map(Number);
  return versions.filter((version) => version !== undefined).sort((a, b) => {
    const [left, right] = [parts(a), parts(b)];
    const at = left.findIndex((part, index) => part !== (right[index] ?? 0));
    return at < 0 ? left.length - right.length : (left[at] ?? 0) - (right[at] ?? 0);
  }).at(-1);
}

/**
 * @param {string} what
 * @param {string} path
 */
async function readelf(what, path) {
  const { status, stdout, output, startError } = await run("readelf", ["--wide", what, path]);
  if (status === 0) return stdout;
  throw new BuildError("TOOL_FAILED",
    `cannot read ${path}: ${startError ? "no readelf on PATH. Install binutils." : `readelf failed:\n${lastLines(output)}`}`);
}

/**
 * @param {string} text
 * @param {RegExp} pattern with one group
 */
function matches(text, pattern) {
  return [...text.matchAll(pattern)].map(([, found]) => found ?? "");
}
