// Packs a built checkout into the published tarballs:  node --import tsx scripts/package.ts [--out DIRECTORY] [--main]
// [--platform] [--cuda] [--built DIRECTORY] Without a selection, the main package and the platform's; --cuda builds and
// packs the plugin for CUDA devices. The main package depends on the packages of all platforms, or, with --built, on
// those whose tarballs are below that directory.
import { join } from "node:path";
import { platformName } from "../lib/install/cache.js";
import { stageCudaPackage } from "./package/cuda.js";
import { defaultPlatforms, platformsBelow, stageMainPackage } from "./package/main.js";
import { pack } from "./package/pack.js";
import { stagePlatformPackage } from "./package/platform.js";
import { parseOptions, progressOf } from "./support/command-line.js";
import { BuildError, runMain } from "./support/errors.js";
import { root, withTemporaryDirectory } from "./support/files.js";

// A size that a registry accepts and users tolerate.
const MOST_BYTES = 130e6;

await runMain(async () => {
  const { values: { out = join(root, "build/packages"), built, cuda = false, ...selected } } = parseOptions({
    options: { out: { type: "string" }, main: { type: "boolean" }, platform: { type: "boolean" },
      cuda: { type: "boolean" }, built: { type: "string" } },
  }, "Pass --out DIRECTORY, --main, --platform, --cuda, --built DIRECTORY or nothing.");
  const isDefault = !selected.main && !selected.platform && !cuda;
  const platforms = built === undefined ? defaultPlatforms : await platformsBelow(built);
  const progress = progressOf("package");
  await withTemporaryDirectory("package", async (staging) => {
    const packages: [string, (directory: string) => Promise<void>][] = [];
    if (isDefault || selected.main)
      packages.push(["reviewkd", (directory) => stageMainPackage(root, directory, platforms)]);
    if (isDefault || selected.platform)
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
  });
});
