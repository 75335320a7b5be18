#!/usr/bin/env -S node --import tsx
// Builds the plugin for CUDA devices into build/Release:  node --import tsx scripts/build-cuda.ts [--record FILE]
// Prints versions, libraries, and the registers and memory of each kernel; --record also writes them into a Markdown
// file.
import { writeFile } from "node:fs/promises";
import { relative } from "node:path";
import { buildCuda, type CudaBuild } from "./build/cuda.js";
import { resourceTable, spillSummary, spillWarnings } from "./cuda/resources.js";
import { parseOptions, progressOf } from "./support/command-line.js";
import { runMain } from "./support/errors.js";
import { root } from "./support/files.js";
import { processorsHere, versionOf } from "./support/tools.js";

await runMain(async () => {
  const { values: { record } } = parseOptions({ options: { record: { type: "string" } } },
    "Pass --record FILE or nothing: without it, the table is only printed.");
  const progress = progressOf("build:cuda");
  const built = await buildCuda(root, { env: process.env, progress });
  const text = await describe(built);
  process.stdout.write(text);
  for (const warning of spillWarnings(built.kernels)) progress(warning);
  if (record !== undefined) {
    const title =
      "# The build of the CUDA plugin\n\n`npm run build:cuda -- --record bench/results/cuda-build.md` wrote this. The plugin compiles, links and finds every symbol; "
      + "it was built on a machine without a GPU, and nothing here was run on one.\n\n";
    await writeFile(record, title + text);
  }
});

async function describe(built: CudaBuild): Promise<string> {
  const rows = [
    ["plugin", `${relative(root, built.plugin)}, ${(built.bytes / 1e6).toFixed(2)} MB`],
    ["code for", built.architectures],
    ["CUDA compiler", built.compiler],
    // @env CXX builds: The C++ compiler, for CMake as well. Default: `c++`; for fuzzing `clang++`.
    ["C++ compiler", await versionOf(process.env["CXX"] ?? "c++")],
    ["libtorch", `${built.libtorch.version} (${built.libtorch.variant})`],
    ["compiled and linked in", `${built.seconds.toFixed(1)} s, on ${processorsHere()}`],
    ["loads", built.libraries.join(", ")],
    ["symbols",
      `all ${built.symbols} that it imports are defined by the libraries that it loads, ${built.ncclSymbols} of them NCCL's process group`],
    ["registers", `${spillSummary(built.kernels)} for sm_90`],
  ];
  return `| | |\n|---|---|\n${rows.map(([name, value]) => `| ${name} | ${value} |\n`).join("")}`
    + `\n## Kernels for sm_90\n\nRegisters of a thread, bytes of a block's shared memory and of a thread's stack and spills, as ptxas reports them.\n\n${resourceTable(built.kernels)}`;
}
