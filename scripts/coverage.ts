// Prints which lines the unit tests run, of TypeScript and of C++:  node --import tsx scripts/coverage.ts [TEST FILE…]
// A copy of the checkout below build/coverage has an addon that counts, so that the checkout's own stays as it is.
import { existsSync } from "node:fs";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
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

const TESTS = "test/unit/**/*.test.ts";

await runMain(async () => {
  if (process.platform !== "linux")
    throw new BuildError("USAGE",
      `invalid platform: expected linux, whose compilers write what gcov reads, received ${process.platform}. Run this in a container.`);
  const directory = join(root, "build/coverage");
  const checkout = join(directory, "checkout");
  await buildCountingAddon(directory, join(checkout, "build/Release"));
  await copyCheckout(checkout);
  const passed = await runTests(checkout, process.argv.slice(2));
  await printCpp(join(directory, "cmake"));
  if (!passed)
    throw new BuildError("TESTS_FAILED",
      "tests failed while their coverage was measured (see above). Run `npm run test:unit`.");
});

async function buildCountingAddon(directory: string, output: string): Promise<void> {
  const libtorch = await ensureLibTorch({ env: process.env, progress: progressOf("coverage") });
  const build = join(directory, "cmake");
  await step("cmake", ["-S", root, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DREVIEWKD_COVERAGE=ON",
    `-DREVIEWKD_LIBTORCH_DIR=${libtorch.directory}`, `-DREVIEWKD_OUTPUT_DIR=${output}`]);
  await step("cmake", ["--build", build, "--parallel", String(availableParallelism())]);
  await writeFile(join(output, "libtorch.json"), `${JSON.stringify(libtorch)}\n`);
}

/** Copies the working tree, built, into a repository of its own, since some tests list the checkout's files. */
async function copyCheckout(checkout: string): Promise<void> {
  await copyWorkingTree(root, checkout);
  if (!existsSync(join(checkout, ".git"))) await step("git", ["init", "--quiet", checkout]);
  await mkdir(join(checkout, "build"), { recursive: true });
  if (!existsSync(join(checkout, "node_modules")))
    await symlink(join(root, "node_modules"), join(checkout, "node_modules"));
  await step(process.execPath, ["--import", "tsx", join(checkout, "scripts/build.ts"), "--ts"]);
}

/** Prints the table of TypeScript. @returns whether all tests passed. */
async function runTests(checkout: string, files: readonly string[]): Promise<boolean> {
  await rm(join(checkout, "coverage"), { recursive: true, force: true });
  const mocha = ["node_modules/mocha/bin/mocha.js", "--parallel", "--jobs", "2",
    ...(files.length > 0 ? files : [TESTS])];
  const c8 = ["node_modules/c8/bin/c8.js", "--all", "--src", "lib", "--include", "lib/**/*.ts", "--exclude", "**/<*",
    "--reporter", "text-summary", "--reporter", "text", process.execPath, ...mocha];
  return await runVisibly(process.execPath, c8, { cwd: checkout }) === 0;
}

/** Prints the table of C++. */
async function printCpp(build: string): Promise<void> {
  const env = { ...process.env, PYTHONPATH: await pythonTool("gcovr", process.env) };
  const { stdout } = await runTool(python, ["-m", "gcovr", "--root", root, "--filter", "native/",
    "--gcov-ignore-parse-errors", "--txt", "-", "--txt-summary", build], { cwd: root, env,
    failure: "gcovr could not read the counts", fix: "Delete build/coverage and run this again." });
  process.stdout.write(stdout);
}

async function step(program: string, words: readonly string[]): Promise<void> {
  await runTool(program, words, { fix: "Fix what it names and run this again.",
    onLine: (line) => process.stderr.write(`${line}\n`) });
}
