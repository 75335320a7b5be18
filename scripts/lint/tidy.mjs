// Runs clang-tidy on the addon's sources:  node --import tsx scripts/lint/tidy.mjs [FILE…]
// A configuration of its own, without unity files and precompiled headers, gives clang-tidy one compile command for
// each source.
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { ensureLibTorch } from "../../lib/install/fetch.js";
import { BuildError, runMain } from "../support/errors.js";
import { lastLines, run } from "../../lib/install/process.js";
import { root } from "./files.mjs";
import { clangTool } from "./python-tools.mjs";

await runMain(async () => {
  const progress = (/** @type {string} */ line) => process.stderr.write(`tidy: ${line}\n`);
  const directory = join(root, "build/tidy");
  const libtorch = await ensureLibTorch({ env: process.env, progress: progress });
  const { status, output } = await run("cmake", ["-S", root, "-B", directory, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
    "-DCMAKE_UNITY_BUILD=OFF", "-DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON",
    `-DREVIEWKD_LIBTORCH_DIR=${libtorch.directory}`]);
  if (status !== 0)
    throw new BuildError("CONFIGURE_FAILED",
      `CMake could not configure the addon for clang-tidy:\n${lastLines(output, 40)}\nRun \`npm ci\` and install CMake 3.22 or later.`);

  const all = await compiledFiles(directory);
  const wanted = process.argv.slice(2).map((path) => path.replaceAll("\\", "/"));
  const unknown = wanted.find((path) => !all.includes(path));
  if (unknown !== undefined)
    throw new BuildError("USAGE",
      `invalid file: expected a source of the addon, received ${unknown}. Name a .cpp below native.`);
  const waiting = wanted.length > 0 ? wanted : all;
  const failed = await checkAll(await clangTool("clang-tidy", process.env), directory, waiting, progress);
  if (failed.length > 0)
    throw new BuildError("TIDY",
      `clang-tidy reports defects in ${failed.join(", ")} (see above). Fix them; .clang-tidy says which checks are on and why others are not.`);
});

/**
 * The sources that have a compile command, relative to the root.
 *
 * @param {string} directory of the build
 */
async function compiledFiles(directory) {
  /** @type {{ file: string }[]} */
  const commands = JSON.parse(await readFile(join(directory, "compile_commands.json"), "utf8"));
  return [...new Set(commands.map(({ file }) => relative(root, file).replaceAll("\\", "/")))].sort();
}

/**
 * @param {string} clangTidy
 * @param {string} directory of the build
 * @param {readonly string[]} files
 * @param {(line: string) => void} progress
 * @returns {Promise<string[]>} the files with findings
 */
async function checkAll(clangTidy, directory, files, progress) {
  const waiting = [...files];
  /** @type {string[]} */
  const failed = [];
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      // clang has no omp.h of its own, and GCC's would bring GCC's intrinsics along.
      const { status, stdout, output } = await run(clangTidy, ["-p", directory, "--quiet", "--extra-arg=-fno-openmp",
        join(root, file)]);
      progress(`${files.length - waiting.length} of ${files.length}: ${file}`);
      if (status === 0) continue;
      failed.push(file);
      process.stdout.write(stdout === "" ? output : stdout);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return failed.sort();
}
