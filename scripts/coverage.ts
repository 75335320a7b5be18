// Prints which lines of C++, and of TypeScript in mocha's processes, the tests run that need no machine of their own,
// or these files alone:  node --import tsx scripts/coverage.ts [TEST FILE…]
// A copy of the checkout below build/coverage has an addon that counts, so that the checkout's own stays as it is.
import { rm, symlink, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { ensureLibTorch } from "../lib/install/fetch.js";
import { python } from "../lib/install/pip.js";
import { copyWorkingTree } from "./gpu/tree.js";
import { pythonTool } from "./lint/python-tools.js";
import { progressOf } from "./support/command-line.js";
import { BuildError, runMain } from "./support/errors.js";
import { root } from "./support/files.js";
import { runTool, runVisibly } from "./support/tools.js";

const TESTS = ["--ignore", "**/*.serial.test.ts", "test/unit/**/*.test.ts", "test/integration/**/*.test.ts",
  "examples/**/*.test.ts"];

await runMain(async () => {
  if (process.platform !== "linux")
    throw new BuildError("USAGE",
      `invalid platform: expected linux, whose compilers write what gcov reads, received ${process.platform}. Run this in a container.`);
  const build = join(root, "build/coverage/cmake");
  const checkout = join(root, "build/coverage/checkout");
  await rm(checkout, { recursive: true, force: true });
  await buildCountingAddon(build, join(checkout, "build/Release"));
  await copyCheckout(checkout);
  await step("find", [build, "-name", "*.gcda", "-delete"]); // the counts of an earlier run
  const files = process.argv.slice(2);
  const cpp = files.length > 0 || await runVisibly("ctest", ["--test-dir", build, "--output-on-failure"]) === 0;
  const passed = await runTests(checkout, files) && cpp;
  await printCpp(build);
  if (!passed)
    throw new BuildError("TESTS_FAILED",
      "tests failed while their coverage was measured (see above). Run `npm run test:parallel`.");
});

async function buildCountingAddon(build: string, output: string): Promise<void> {
  const libtorch = await ensureLibTorch({ env: process.env, progress: progressOf("coverage") });
  await step("cmake", ["-S", root, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DREVIEWKD_COVERAGE=ON",
    "-DREVIEWKD_TESTS=ON", `-DREVIEWKD_LIBTORCH_DIR=${libtorch.directory}`, `-DREVIEWKD_OUTPUT_DIR=${output}`]);
  await step("cmake", ["--build", build, "--parallel", String(availableParallelism()), "--target", "all",
    "reviewkd_tests"]);
  await writeFile(join(output, "libtorch.json"), `${JSON.stringify(libtorch)}\n`);
}

/** Copies the working tree, built, into a repository of its own, since some tests list the checkout's files. */
async function copyCheckout(checkout: string): Promise<void> {
  await copyWorkingTree(root, checkout);
  await step("git", ["init", "--quiet", checkout]);
  await symlink(join(root, "node_modules"), join(checkout, "node_modules"));
  await step(process.execPath, ["--import", "tsx", join(checkout, "scripts/build.ts"), "--ts"]);
}

/**
 * Prints the table of TypeScript. Counts are merged by their position in compiled text, and tsx compiles a module that
 * is required to another text than one that is imported, so .mocharc.json has mocha import them all.
 *
 * @returns whether all tests passed.
 */
async function runTests(checkout: string, files: readonly string[]): Promise<boolean> {
  const mocha = ["node_modules/mocha/bin/mocha.js", "--parallel", "--jobs", "2", "--require",
    "./test/support/one-thread.ts", ...(files.length > 0 ? files : TESTS)];
  const c8 = ["node_modules/c8/bin/c8.js", "--all", "--src", "lib", "--temp-directory", "../counts", "--include",
    "lib/**/*.ts", "--exclude", "**/<*", "--reporter", "text-summary", "--reporter", "text", process.execPath,
    ...mocha];
  return await runVisibly(process.execPath, c8, { cwd: checkout }) === 0;
}

/** Prints the table of C++. */
async function printCpp(build: string): Promise<void> {
  const env = { ...process.env, PYTHONPATH: await pythonTool("gcovr", process.env) };
  const { stdout } = await runTool(python, ["-m", "gcovr", "--root", root, "--filter", "native/", "--exclude",
    "native/tests/", "--merge-lines", "--gcov-ignore-parse-errors", "--txt", "-", "--txt-summary", build], { cwd: root,
    env, failure: "gcovr could not read the counts", fix: "Delete build/coverage and run this again." });
  process.stdout.write(stdout);
}

async function step(program: string, words: readonly string[]): Promise<void> {
  await runTool(program, words, { fix: "Fix what it names and run this again.",
    onLine: (line) => process.stderr.write(`${line}\n`) });
}
