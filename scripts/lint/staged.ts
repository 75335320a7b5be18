// Checks lint and words of the staged files; the pre-commit hook runs it:  node --import tsx scripts/lint/staged.ts
import { join } from "node:path";
import { BuildError, runMain } from "../support/errors.js";
import { run } from "../../lib/install/process.js";
import { root } from "../support/files.js";
import { runVisibly } from "../support/tools.js";

const LINTED = /\.(?:ts|mjs|js)$/;

await runMain(async () => {
  const { status, stdout, output } = await run("git", ["diff", "--cached", "--name-only", "--diff-filter=ACMR", "-z"], {
    cwd: root,
  });
  if (status !== 0)
    throw new BuildError("NOT_A_CHECKOUT",
      `git could not list the staged files: ${output.trim()}. Run this in a clone of the repository.`);
  const files = stdout.split("\0").filter((name) => name !== "");
  if (files.length === 0) return;
  const scripts = files.filter((name) => LINTED.test(name));
  const results = [
    await node("scripts/lint/words.ts", ...files),
    await node("scripts/lint/format.ts", "--check", ...files),
    scripts.length === 0 ||
    (await node("node_modules/eslint/bin/eslint.js", "--max-warnings", "0", "--no-warn-ignored", ...scripts)),
  ];
  if (results.includes(false))
    throw new BuildError("CHECKS_FAILED",
      "the staged files do not pass the checks (see above). Fix them and stage them again.");
});

async function node(program: string, ...words: string[]): Promise<boolean> {
  return await runVisibly(process.execPath, ["--import", "tsx", join(root, program), ...words], { cwd: root }) === 0;
}
