// Installs packed tarballs like a user's project and distills with them:  node --import tsx scripts/try-packages.ts
// DIRECTORY The release does this with each platform's package on that platform before publishing it.
import { copyFile, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { platformName } from "../lib/install/cache.js";
import { BuildError, runMain } from "./support/errors.js";
import { root, withTemporaryDirectory, writeJson } from "./support/files.js";
import { runTool } from "./support/tools.js";

await runMain(async () => {
  const [directory, ...others] = process.argv.slice(2);
  const npm = process.env["npm_execpath"];
  if (directory === undefined || others.length > 0)
    throw new BuildError("USAGE",
      `invalid arguments: expected a directory of tarballs, received ${process.argv.slice(2).join(" ") || "none"}. Pass one directory.`);
  if (npm === undefined)
    throw new BuildError("USAGE",
      "not started by npm: npm_execpath is missing. Use `npm run try:packages -- DIRECTORY`.");
  const tarballs = (await readdir(directory)).filter((name) => name.endsWith(".tgz"));
  const wanted = [/^reviewkd-\d[^-]*\.tgz$/, new RegExp(`^reviewkd-${platformName}-\\d[^-]*\\.tgz$`)];
  const paths = wanted.map((pattern) => {
    const name = tarballs.find((tarball) => pattern.test(tarball));
    if (name === undefined)
      throw new BuildError("NOT_PACKED",
        `invalid directory: expected a tarball like ${pattern.source} in ${directory}, received ${tarballs.join(", ") || "none"}. Run \`npm run package\`.`);
    return join(resolve(directory), name);
  });

  await withTemporaryDirectory("try", async (project) => {
    await writeJson(join(project, "package.json"), { name: "user-project", private: true, type: "module" });
    await copyFile(join(root, "test/install/distill.mjs"), join(project, "distill.mjs"));
    // No platform's package is on a registry yet: npm skips optional dependencies that it does not find.
    for (const words of [[npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", ...paths], ["distill.mjs"]]) {
      const { stdout } = await runTool(process.execPath, words, { cwd: project, code: "PACKAGE_FAILED",
        failure: `the packages in ${directory} do not install or do not distill`, lines: 30 });
      if (words.length > 1) continue;
      const { losses, addonPath } = JSON.parse(stdout) as { losses: number[]; addonPath: string };
      if (!losses.every(Number.isFinite) || !addonPath.includes(`@reviewkd`))
        throw new BuildError("PACKAGE_FAILED",
          `invalid output: expected losses from the package's own addon, received ${stdout}. Check which addon was loaded.`);
      process.stdout.write(stdout);
    }
  });
});
