// The archives of the kit: Node, the package with its modules, the binaries. They are tar files under xz, which
// Python's standard library reads as well.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { BuildError } from "../support/errors.js";
import { lastLines, run } from "../../lib/install/process.js";
import { EXCLUDED, selectModules } from "./modules.mjs";
import { kitCache, stageBinaries, strip } from "./prebuilt.mjs";

/**
 * Packs the running Node without its symbols. The archive is kept in the cache, since the best compression takes a
 * minute.
 *
 * @param {string} target
 * @param {number} level of xz
 * @param {NodeJS.ProcessEnv} env
 */
export async function packNode(target, level, env) {
  const digest = createHash("sha256").update(readFileSync(process.execPath)).digest("hex").slice(0, 12);
  const cached = join(kitCache(env), `node-${process.version}-${digest}-${level}.tar.xz`);
  if (!existsSync(cached)) {
    await withStage(async (stage) => {
      mkdirSync(join(stage, "bin"));
      await strip(process.execPath, join(stage, "bin/node"));
      mkdirSync(dirname(cached), { recursive: true });
      await tar(`${cached}.${process.pid}`, level, ["-C", stage, "bin"]);
    });
    renameSync(`${cached}.${process.pid}`, cached);
  }
  copyFileSync(cached, target);
}

/**
 * Packs `dist` and the modules that are used on the GPU machine.
 *
 * @param {string} root of the checkout
 * @param {string} target
 * @param {number} level
 */
export async function packModules(root, target, level) {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const modules = selectModules(packages);
  const missing = modules.filter((path) => !existsSync(join(root, path)));
  if (missing.length > 0 || !existsSync(join(root, "dist/index.js"))) {
    throw new BuildError("NOT_BUILT",
      `invalid checkout: expected dist and node_modules, received none of ${missing[0] ?? "dist/index.js"}. Run \`npm ci && npm run build\`.`);
  }
  await tar(target, level, [...EXCLUDED.map((pattern) => `--exclude=${pattern}`), "-C", root, "dist", ...modules]);
}

/**
 * Packs addon and plugin as `build/Release`.
 *
 * @param {string} directory
 * @param {string} target
 * @param {number} level
 */
export async function packBinaries(directory, target, level) {
  await withStage(async (stage) => {
    await stageBinaries(directory, join(stage, "build/Release"));
    await tar(target, level, ["-C", stage, "build"]);
  });
}

/** @param {(stage: string) => Promise<void>} work */
async function withStage(work) {
  const stage = mkdtempSync(join(tmpdir(), "reviewkd-kit-"));
  try {
    await work(stage);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/**
 * @param {string} target
 * @param {number} level
 * @param {readonly string[]} parameters
 */
async function tar(target, level, parameters) {
  // One thread: several would split the input into blocks, which compress less.
  const compressor = `xz -${level}${level === 9 ? "e" : ""} -T1`;
  const { status, output, startError } = await run("tar", ["--create", "--file", target, "--sort=name", "--owner=0",
    "--group=0", `--use-compress-program=${compressor}`, ...parameters]);
  if (status !== 0)
    throw new BuildError("PACK_FAILED",
      `packing ${target} failed:\n${startError?.message ?? lastLines(output)}\nInstall GNU tar and xz, and check the free disk space.`);
}
