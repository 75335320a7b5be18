// Packs a built checkout into the published tarballs:  node --import tsx scripts/package.mjs [--out DIRECTORY] [--main]
// [--platform] [--cuda] [--built DIRECTORY] Without a selection, the main package and the platform's; --cuda builds and
// packs the plugin for CUDA devices. The main package depends on the packages of all platforms, or, with --built, on
// those whose tarballs are below that directory.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { platformName } from "../lib/install/cache.js";
import { stageCudaPackage } from "./package/cuda.mjs";
import { defaultPlatforms, platformsBelow, stageMainPackage } from "./package/main.mjs";
import { pack } from "./package/pack.mjs";
import { stagePlatformPackage } from "./package/platform.mjs";
import { BuildError, runMain } from "./support/errors.js";

// A size that a registry accepts and users tolerate.
const MOST_BYTES = 130e6;

await runMain(async () => {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const { main, platform, cuda, out, built } = options(root);
  const platforms = built === undefined ? defaultPlatforms : await platformsBelow(built);
  const progress = (/** @type {string} */ line) => process.stderr.write(`package: ${line}\n`);
  const staging = await mkdtemp(join(tmpdir(), "reviewkd-package-"));
  try {
    /** @type {[string, (directory: string) => Promise<void>][]} */
    const packages = [];
    if (main) packages.push(["reviewkd", (directory) => stageMainPackage(root, directory, platforms)]);
    if (platform)
      packages.push([`@reviewkd/${platformName}`, (directory) => stagePlatformPackage(root, directory, progress)]);
    if (cuda)
      packages.push([`@reviewkd/${platformName}-cuda`, (directory) => stageCudaPackage(root, directory, progress)]);
    for (const [name, stage] of packages) {
      progress(`staging ${name}`);
      const directory = join(staging, name.replace("/", "-"));
      await stage(directory);
      progress(`packing ${name}`);
      const { path, bytes, unpackedBytes, sha256 } = await pack(directory, out);
      if (bytes > MOST_BYTES)
        throw new BuildError("TOO_LARGE",
          `invalid size of ${name}: expected at most ${MOST_BYTES / 1e6} MB, received ${(bytes / 1e6).toFixed(1)} MB in ${path}. Remove files from the package.`);
      process.stdout.write(`${JSON.stringify({ name, path, bytes, unpackedBytes, sha256 })}\n`);
    }
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
});

/** @param {string} root */
function options(root) {
  try {
    const { values } = parseArgs({
      options: { out: { type: "string" }, main: { type: "boolean" }, platform: { type: "boolean" },
        cuda: { type: "boolean" }, built: { type: "string" } },
    });
    const both = values.main !== true && values.platform !== true && values.cuda !== true;
    return {
      out: values.out ?? join(root, "build/packages"),
      main: both || values.main === true,
      built: values.built,
      platform: both || values.platform === true,
      cuda: values.cuda === true,
    };
  } catch (error) {
    throw new BuildError("USAGE",
      `invalid options: ${/** @type {Error} */ (error).message}. Pass --out DIRECTORY, --main, --platform, --cuda, --built DIRECTORY or nothing.`);
  }
}
