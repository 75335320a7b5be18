// Turns a staged package into the tarball that `npm publish` sends, with npm itself, which writes no times, owners or
// order of its own into it.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { BuildError } from "../support/errors.js";
import { lastLines, run } from "../../lib/install/process.js";

/**
 * @typedef {object} Tarball
 * @property {string} path
 * @property {number} bytes
 * @property {number} unpackedBytes
 * @property {string} sha256
 */

/**
 * @param {string} directory the package
 * @param {string} out the directory of the tarball
 * @returns {Promise<Tarball>}
 * @throws {BuildError} TOOL_FAILED
 */
export async function pack(directory, out) {
  await mkdir(out, { recursive: true });
  // @env npm_execpath builds: The npm that started the script, set by npm itself. Default: `npm` on `PATH`.
  const npm = process.env["npm_execpath"];
  const [program, first] = npm === undefined ? ["npm", []] : [process.execPath, [npm]];
  const { status, stdout, output } = await run(program, [...first, "pack", "--json", "--ignore-scripts",
    "--pack-destination", resolve(out)], { cwd: directory });
  if (status !== 0) throw new BuildError("TOOL_FAILED", `npm could not pack ${directory}:\n${lastLines(output)}`);
  const answer = JSON.parse(stdout);
  const { filename, unpackedSize } =
    /** @type {{ filename: string, unpackedSize: number }} */ (Array.isArray(answer) ? answer[0]
      : Object.values(answer)[0]);
  const path = join(resolve(out), filename);
  return { path, bytes: (await stat(path)).size, unpackedBytes: unpackedSize, sha256: await sha256(path) };
}

/** @param {string} path */
async function sha256(path) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
