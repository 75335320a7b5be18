// Runs clang-tidy on the addon's sources:  node --import tsx scripts/lint/tidy.ts [FILE…]
// A configuration of its own, without unity files and precompiled headers, gives clang-tidy one compile command for
// each source.
import { join, relative } from "node:path";
import { ensureLibTorch } from "../../lib/install/fetch.js";
import { run } from "../../lib/install/process.js";
import { progressOf } from "../support/command-line.js";
import { BuildError, runMain } from "../support/errors.js";
import { root } from "../support/files.js";
import { forEachInParallel, readCompilations, runTool } from "../support/tools.js";
import { clangTool } from "./python-tools.js";

await runMain(async () => {
  const progress = progressOf("tidy");
  const directory = join(root, "build/tidy");
  const libtorch = await ensureLibTorch({ env: process.env, progress });
  await runTool("cmake", ["-S", root, "-B", directory, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DCMAKE_UNITY_BUILD=OFF",
    "-DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON", `-DREVIEWKD_LIBTORCH_DIR=${libtorch.directory}`], {
    code: "CONFIGURE_FAILED",
    failure: "CMake could not configure the addon for clang-tidy",
    lines: 40,
    fix: "Run `npm ci` and install CMake 3.22 or later.",
  });

  // The sources that have a compile command.
  const files = (await readCompilations(directory)).map(({ file }) => relative(root, file).replaceAll("\\", "/"));
  const all = [...new Set(files)].sort();
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

/** Checks files with the compile commands of `directory`, and returns those with findings. */
async function checkAll(clangTidy: string, directory: string, files: readonly string[],
  progress: (line: string) => void): Promise<string[]> {
  const failed: string[] = [];
  let done = 0;
  await forEachInParallel(files, async (file) => {
    // clang has no omp.h of its own, and GCC's would bring GCC's intrinsics along.
    const { status, stdout, output } = await run(clangTidy, ["-p", directory, "--quiet", "--extra-arg=-fno-openmp",
      join(root, file)]);
    progress(`${++done} of ${files.length}: ${file}`);
    if (status === 0) return;
    failed.push(file);
    process.stdout.write(stdout === "" ? output : stdout);
  });
  return failed.sort();
}
