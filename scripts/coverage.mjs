// Prints which lines the unit tests run, of TypeScript and of C++:  node --import tsx scripts/coverage.mjs [TEST FILE…]
// A copy of the checkout below build/coverage has an addon that counts, so that the checkout's own stays as it is.
import { existsSync } from "node:fs";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { copyWorkingTree } from "./gpu/tree.mjs";
import { ensureLibTorch } from "../lib/install/fetch.js";
import { python } from "../lib/install/pip.js";
import { pythonTool } from "./lint/python-tools.mjs";
import { BuildError, runMain } from "./support/errors.js";
import { lastLines, run } from "../lib/install/process.js";

const TESTS = "test/unit/**/*.test.ts";

await runMain(async () => {
  if (process.platform !== "linux")
    throw new BuildError("USAGE",
      `invalid platform: expected linux, whose compilers write what gcov reads, received ${process.platform}. Run this in a container.`);
  const root = join(import.meta.dirname, "..");
  const directory = join(root, "build/coverage");
  const checkout = join(directory, "checkout");
  await buildCountingAddon(root, directory, join(checkout, "build/Release"));
  await copyCheckout(root, checkout);
  const passed = await runTests(checkout, process.argv.slice(2));
  await printCpp(root, join(directory, "cmake"));
  if (!passed)
    throw new BuildError("TESTS_FAILED",
      "tests failed while their coverage was measured (see above). Run `npm run test:unit`.");
});

/**
 * @param {string} root
 * @param {string} directory
 * @param {string} output
 */
async function buildCountingAddon(root, directory, output) {
  const libtorch = await ensureLibTorch({ env: process.env,
    progress: (line) => process.stderr.write(`coverage: ${line}\n`) });
  const build = join(directory, "cmake");
  await step("cmake", ["-S", root, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DREVIEWKD_COVERAGE=ON",
    `-DREVIEWKD_LIBTORCH_DIR=${libtorch.directory}`, `-DREVIEWKD_OUTPUT_DIR=${output}`]);
  await step("cmake", ["--build", build, "--parallel", String(availableParallelism())]);
  await writeFile(join(output, "libtorch.json"), `${JSON.stringify(libtorch)}\n`);
}

/**
 * Copies the working tree, built, into a repository of its own, since some tests list the checkout's files.
 *
 * @param {string} root
 * @param {string} checkout
 */
async function copyCheckout(root, checkout) {
  await copyWorkingTree(root, checkout);
  if (!existsSync(join(checkout, ".git"))) await step("git", ["init", "--quiet", checkout]);
  await mkdir(join(checkout, "build"), { recursive: true });
  if (!existsSync(join(checkout, "node_modules")))
    await symlink(join(root, "node_modules"), join(checkout, "node_modules"));
  await step(process.execPath, ["--import", "tsx", join(checkout, "scripts/build.ts"), "--ts"]);
}

/**
 * Prints the table of TypeScript.
 *
 * @param {string} checkout
 * @param {readonly string[]} files
 * @returns {Promise<boolean>} whether all tests passed
 */
async function runTests(checkout, files) {
  await rm(join(checkout, "coverage"), { recursive: true, force: true });
  const mocha = ["node_modules/mocha/bin/mocha.js", "--parallel", "--jobs", "2",
    ...(files.length > 0 ? files : [TESTS])];
  const c8 = ["node_modules/c8/bin/c8.js", "--all", "--src", "lib", "--include", "lib/**/*.ts", "--exclude", "**/<*",
    "--reporter", "text-summary", "--reporter", "text", process.execPath, ...mocha];
  const { status } = await run(process.execPath, c8, { cwd: checkout,
    onLine: (line) => process.stdout.write(`${line}\n`) });
  return status === 0;
}

/**
 * Prints the table of C++.
 *
 * @param {string} root
 * @param {string} build
 */
async function printCpp(root, build) {
  const env = { ...process.env, PYTHONPATH: await pythonTool("gcovr", process.env) };
  const { status, stdout, output } = await run(python, ["-m", "gcovr", "--root", root, "--filter", "native/",
    "--gcov-ignore-parse-errors", "--txt", "-", "--txt-summary", build], { cwd: root, env });
  if (status !== 0)
    throw new BuildError("TOOL_FAILED",
      `gcovr could not read the counts:\n${lastLines(output)}\nDelete build/coverage and run this again.`);
  process.stdout.write(stdout);
}

/**
 * @param {string} program
 * @param {readonly string[]} words
 */
async function step(program, words) {
  const { status, output, startError } = await run(program, words, {
    onLine: (line) => process.stderr.write(`${line}\n`),
  });
  if (status !== 0)
    throw new BuildError("TOOL_FAILED",
      `${program} ${words[0] ?? ""} failed: ${startError?.message ?? `\n${lastLines(output)}`}\nFix what it names and run this again.`);
}
