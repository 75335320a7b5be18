// The archives of the kit: Node, the package with its modules, the binaries. They are tar files under xz, which
// Python's standard library reads as well.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheRoot } from "../../lib/install/cache.js";
import { BuildError } from "../support/errors.js";
import { readJson, root, withTemporaryDirectory } from "../support/files.js";
import { runTool } from "../support/tools.js";
import { EXCLUDED, selectModules, type LockedPackage } from "./modules.js";
import { stageBinaries, strip } from "./prebuilt.js";

/** Packs the running Node without its symbols. The archive is cached, since xz's best compression takes a minute. */
export async function packNode(target: string, level: number, env: NodeJS.ProcessEnv): Promise<void> {
  const digest = createHash("sha256").update(readFileSync(process.execPath)).digest("hex").slice(0, 12);
  const cached = join(cacheRoot(env), "gpu-kit", `node-${process.version}-${digest}-${level}.tar.xz`);
  if (!existsSync(cached)) {
    await withTemporaryDirectory("kit", async (stage) => {
      mkdirSync(join(stage, "bin"));
      await strip(process.execPath, join(stage, "bin/node"));
      mkdirSync(dirname(cached), { recursive: true });
      await tar(`${cached}.${process.pid}`, level, ["-C", stage, "bin"]);
    });
    renameSync(`${cached}.${process.pid}`, cached);
  }
  copyFileSync(cached, target);
}

/** Packs `dist` and the modules that are used on the GPU machine. */
export async function packModules(target: string, level: number): Promise<void> {
  const { packages } = await readJson(join(root, "package-lock.json"));
  const modules = selectModules(packages as Record<string, LockedPackage>);
  const missing = modules.filter((path) => !existsSync(join(root, path)));
  if (missing.length > 0 || !existsSync(join(root, "dist/index.js"))) {
    throw new BuildError("NOT_BUILT",
      `invalid checkout: expected dist and node_modules, received none of ${missing[0] ?? "dist/index.js"}. Run \`npm ci && npm run build\`.`);
  }
  await tar(target, level, [...EXCLUDED.map((pattern) => `--exclude=${pattern}`), "-C", root, "dist", ...modules]);
}

/** Packs addon and plugin as `build/Release`. */
export async function packBinaries(directory: string, target: string, level: number): Promise<void> {
  await withTemporaryDirectory("kit", async (stage) => {
    await stageBinaries(directory, join(stage, "build/Release"));
    await tar(target, level, ["-C", stage, "build"]);
  });
}

async function tar(target: string, level: number, parameters: readonly string[]): Promise<void> {
  // One thread: several would split the input into blocks, which compress less.
  const compressor = `xz -${level}${level === 9 ? "e" : ""} -T1`;
  await runTool("tar", ["--create", "--file", target, "--sort=name", "--owner=0", "--group=0",
    `--use-compress-program=${compressor}`, ...parameters], { code: "PACK_FAILED", failure: `packing ${target} failed`,
    fix: "Install GNU tar and xz, and check the free disk space." });
}
