#!/usr/bin/env -S node --import tsx
// Installs packed tarballs as a user's project does and distills with them:  node --import tsx scripts/try-packages.mjs DIRECTORY
// What the release does with each platform's package on that platform, before it publishes it.
import { copyFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { platformName } from "../lib/install/cache.js";
import { BuildError, runMain } from "./support/errors.js";
import { lastLines, run } from "../lib/install/process.js";

await runMain(async () => {
  const [given, ...others] = process.argv.slice(2);
  const npm = process.env["npm_execpath"];
  if (given === undefined || others.length > 0) throw new BuildError("USAGE", `expected a directory of tarballs, got ${process.argv.slice(2).join(" ") || "nothing"}`);
  if (npm === undefined) throw new BuildError("USAGE", "expected to be started by npm, got no npm_execpath; use `npm run try:packages -- DIRECTORY`");
  const tarballs = (await readdir(given)).filter((name) => name.endsWith(".tgz"));
  const wanted = [/^reviewkd-\d[^-]*\.tgz$/, new RegExp(`^reviewkd-${platformName}-\\d[^-]*\\.tgz$`)];
  const paths = wanted.map((pattern) => {
    const name = tarballs.find((tarball) => pattern.test(tarball));
    if (name === undefined) throw new BuildError("NOT_PACKED", `expected a tarball like ${pattern.source} in ${given}, got ${tarballs.join(", ") || "none"}; run \`npm run package\``);
    return join(resolve(given), name);
  });

  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const project = await mkdtemp(join(tmpdir(), "reviewkd-try-"));
  try {
    await writeFile(join(project, "package.json"), JSON.stringify({ name: "somebody", private: true, type: "module" }));
    await copyFile(join(root, "test/install/distill.mjs"), join(project, "distill.mjs"));
    // The other platforms' packages are on no registry yet, nor is this one's: npm passes over what it does not find of optional ones.
    for (const words of [[npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", ...paths], ["distill.mjs"]]) {
      const { status, stdout, output } = await run(process.execPath, words, { cwd: project });
      if (status !== 0) throw new BuildError("PACKAGE_FAILED", `expected the packages in ${given} to install and to distill, got\n${lastLines(output, 30)}`);
      if (words.length > 1) continue;
      const { losses, addonPath } = JSON.parse(stdout);
      if (!losses.every(Number.isFinite) || !addonPath.includes(`@reviewkd`)) throw new BuildError("PACKAGE_FAILED", `expected losses from the package's own addon, got ${stdout}`);
      process.stdout.write(stdout);
    }
  } finally {
    await rm(project, { recursive: true, force: true });
  }
});
