// Compiles lib/ into dist/, as ES modules and as CommonJS, unless the sources are those of the last build.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { readText } from "../support/files.js";
import { runTool } from "../support/tools.js";
import { buildCommonJs } from "./commonjs.js";

const INPUTS = ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json",
  "scripts/build/commonjs.ts", "scripts/build/typescript.ts"];

/**
 * Compiles the project in `root`.
 *
 * @returns whether anything was compiled.
 * @throws BuildError TYPESCRIPT_FAILED.
 */
export async function buildTypeScript(root: string): Promise<boolean> {
  const dist = join(root, "dist");
  // The compiler's own record is written after a failure too.
  const stamp = join(dist, ".built");
  // Computed before the compiler reads: what is edited while it runs counts as changed.
  const sources = await fingerprint(root);
  if ((await readText(stamp)) === sources) return false;

  // Declarations keep their comments. Compiled code goes without: its maps contain the sources.
  await compile(root, "--emitDeclarationOnly");
  await compile(root, "--declaration", "false", "--removeComments", "--tsBuildInfoFile", "dist/.tsbuildinfo-code");
  await removeOrphans(root, dist);
  await simplifyTypes(dist);
  await buildCommonJs(root);
  const program = join(dist, "cli/main.js");
  if (existsSync(program)) await chmod(program, 0o755);
  await writeFile(stamp, sources);
  return true;
}

async function compile(root: string, ...options: string[]): Promise<void> {
  const compiler = join(root, "node_modules/typescript-native/bin/tsc");
  await runTool(process.execPath, [compiler, "-p", "tsconfig.build.json", ...options], { cwd: root,
    code: "TYPESCRIPT_FAILED", failure: "lib does not compile", lines: 60, fix: "Fix the errors." });
}

/**
 * A digest of the path, size and time of every source. Times are compared for equality, not for their order: with a
 * clock of whole milliseconds, a file written in the same instant lies in the future.
 */
async function fingerprint(root: string): Promise<string> {
  const entries = await readdir(join(root, "lib"), { recursive: true, withFileTypes: true });
  const own = entries.filter((entry) => entry.isFile());
  const files = own.map((entry) => relative(root, join(entry.parentPath, entry.name)));
  const hash = createHash("sha256");
  for (const path of [...INPUTS, ...files.sort()]) {
    const status = await stat(join(root, path)).catch(() => undefined);
    hash.update(`${path} ${String(status?.size)} ${String(status?.mtimeMs)}\n`);
  }
  return hash.digest("hex");
}

/**
 * Leaves out the buffers that the compiler infers for typed arrays, such as `Uint8Array<ArrayBuffer>`: the classes have
 * had parameters only since TypeScript 5.7.
 */
async function simplifyTypes(dist: string): Promise<void> {
  for (const name of await readdir(dist, { recursive: true })) {
    if (!name.endsWith(".d.ts")) continue;
    const path = join(dist, name);
    const text = await readFile(path, "utf8");
    const simple = text.replace(/\b((?:Big)?(?:Int|Uint|Float)\d+(?:Clamped)?Array)<ArrayBuffer(?:Like)?>/g, "$1");
    if (simple !== text) await writeFile(path, simple);
  }
}

/** Removes outputs whose source is gone: an import of one would still succeed. */
async function removeOrphans(root: string, dist: string): Promise<void> {
  const names = await readdir(join(root, "lib"), { recursive: true });
  const sources = new Set(names.map((name) => name.replace(/\.ts$/, "")));
  for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
    // The CommonJS form has no sources of its own, and is written in full.
    if (relative(dist, entry.parentPath).split(/[/\\]/)[0] === "cjs") continue;
    if (!entry.isFile() || !/\.(js|js\.map|d\.ts)$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    if (!sources.has(relative(dist, path).replace(/\.(js|js\.map|d\.ts)$/, ""))) await rm(path);
  }
}
