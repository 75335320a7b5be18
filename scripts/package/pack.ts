// Turns a staged package into the tarball that `npm publish` sends, with npm itself, which writes no times, owners or
// order of its own into it.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { runTool } from "../support/tools.js";

/** Packs `directory` into a tarball in `out`. @throws BuildError TOOL_FAILED. */
export async function pack(directory: string, out: string) {
  await mkdir(out, { recursive: true });
  // @env npm_execpath builds: The npm that started the script, set by npm itself. Default: `npm` on `PATH`.
  const npm = process.env["npm_execpath"];
  const [program, first] = npm === undefined ? ["npm", []] : [process.execPath, [npm]];
  const { stdout } = await runTool(program, [...first, "pack", "--json", "--ignore-scripts", "--pack-destination",
    resolve(out)], { cwd: directory, failure: `npm could not pack ${directory}` });
  const [packed] = Object.values(JSON.parse(stdout) as Record<string, { filename: string; unpackedSize: number }>);
  if (packed === undefined) throw new Error(`invalid output of npm pack: expected a tarball, received ${stdout}.`);
  const { filename, unpackedSize } = packed;
  const path = join(resolve(out), filename);
  return { path, bytes: (await stat(path)).size, unpackedBytes: unpackedSize, sha256: await sha256(path) };
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
