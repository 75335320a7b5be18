#!/usr/bin/env node
// Builds the plugin for CUDA devices into build/Release:  node scripts/build-cuda.mjs [--record FILE]
// Prints what was built with what, and the registers and memory of each kernel; --record writes that into a file of Markdown as well.
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildCuda } from "./build/cuda.mjs";
import { resourceTable, spillSummary, spillWarnings } from "./cuda/resources.mjs";
import { BuildError, runMain } from "./support/errors.mjs";
import { run } from "./support/process.mjs";

await runMain(async () => {
  const { record } = options();
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const progress = (/** @type {string} */ line) => process.stderr.write(`build:cuda: ${line}\n`);
  const built = await buildCuda(root, process.env, progress);
  const text = await describe(root, built);
  process.stdout.write(text);
  for (const warning of spillWarnings(built.kernels)) progress(warning);
  if (record !== undefined) {
    const title = "# The build of the CUDA plugin\n\n`npm run build:cuda -- --record bench/results/cuda-build.md` wrote this. It says that the plugin compiles, links and finds every symbol; "
      + "it was built on a machine without a GPU, and nothing here was run on one.\n\n";
    await writeFile(record, title + text);
  }
});

function options() {
  try {
    return parseArgs({ options: { record: { type: "string" } } }).values;
  } catch (error) {
    throw new BuildError("USAGE", `expected --record FILE or nothing, got ${process.argv.slice(2).join(" ")} (${/** @type {Error} */ (error).message})`);
  }
}

/**
 * @param {string} root
 * @param {import("./build/cuda.mjs").CudaBuild} built
 */
async function describe(root, built) {
  const version = (/** @type {string} */ program) => run(program, ["--version"]).then(({ stdout }) => stdout.split("\n")[0] ?? "unknown");
  const rows = [
    ["plugin", `${relative(root, built.plugin)}, ${(built.bytes / 1e6).toFixed(2)} MB`],
    ["code for", built.architectures],
    ["CUDA compiler", built.compiler],
    ["C++ compiler", await version(process.env["CXX"] ?? "c++")],
    ["libtorch", `${built.libtorch.version} (${built.libtorch.variant})`],
    ["compiled and linked in", `${built.seconds.toFixed(1)} s, on ${cpus().length} cores of ${cpus()[0]?.model.trim() ?? "unknown"}`],
    ["loads", built.libraries.join(", ")],
    ["symbols", `all ${built.symbols} that it asks for are defined by what it loads`],
    ["registers", `${spillSummary(built.kernels)} for sm_90`],
  ];
  return `| | |\n|---|---|\n${rows.map(([name, value]) => `| ${name} | ${value} |\n`).join("")}`
    + `\n## Kernels for sm_90\n\nRegisters of a thread, bytes of a block's shared memory and of a thread's stack and spills, as ptxas reports them.\n\n${resourceTable(built.kernels)}`;
}
