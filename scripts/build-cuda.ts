#!/usr/bin/env -S node --import tsx
// Builds the plugin for CUDA devices into build/Release:  node --import tsx scripts/build-cuda.ts [--record FILE]
// Prints versions, libraries, and the registers and memory of each kernel; --record also writes them into a Markdown
// file.
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { run } from "../lib/install/process.js";
import { buildCuda, type CudaBuild } from "./build/cuda.js";
import { resourceTable, spillSummary, spillWarnings } from "./cuda/resources.js";
import { BuildError, runMain } from "./support/errors.js";

await runMain(async () => {
  const { record } = options();
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const progress = (line: string): void => void process.stderr.write(`build:cuda: ${line}\n`);
  const built = await buildCuda(root, { env: process.env, progress });
  const text = await describe(root, built);
  process.stdout.write(text);
  for (const warning of spillWarnings(built.kernels)) progress(warning);
  if (record !== undefined) {
    const title =
      "# The build of the CUDA plugin\n\n`npm run build:cuda -- --record bench/results/cuda-build.md` wrote this. The plugin compiles, links and finds every symbol; "
      + "it was built on a machine without a GPU, and nothing here was run on one.\n\n";
    await writeFile(record, title + text);
  }
});

function options(): { record?: string | undefined } {
  try {
    return parseArgs({ options: { record: { type: "string" } } }).values;
  } catch (error) {
    throw new BuildError("USAGE",
      `invalid arguments: expected --record FILE or none, received ${process.argv.slice(2).join(" ")} (${(error as Error).message}). Without it, the table is only printed.`);
  }
}

async function describe(root: string, built: CudaBuild): Promise<string> {
  const version = (program: string): Promise<string> =>
    run(program, ["--version"]).then(({ stdout }) => stdout.split("\n")[0] ?? "unknown");
  const rows = [
    ["plugin", `${relative(root, built.plugin)}, ${(built.bytes / 1e6).toFixed(2)} MB`],
    ["code for", built.architectures],
    ["CUDA compiler", built.compiler],
    // @env CXX builds: The C++ compiler, for CMake as well. Default: `c++`; for fuzzing `clang++`.
    ["C++ compiler", await version(process.env["CXX"] ?? "c++")],
    ["libtorch", `${built.libtorch.version} (${built.libtorch.variant})`],
    ["compiled and linked in",
      `${built.seconds.toFixed(1)} s, on ${cpus().length} cores of ${cpus()[0]?.model.trim() ?? "unknown"}`],
    ["loads", built.libraries.join(", ")],
    ["symbols", `all ${built.symbols} that it imports are defined by the libraries that it loads`],
    ["registers", `${spillSummary(built.kernels)} for sm_90`],
  ];
  return `| | |\n|---|---|\n${rows.map(([name, value]) => `| ${name} | ${value} |\n`).join("")}`
    + `\n## Kernels for sm_90\n\nRegisters of a thread, bytes of a block's shared memory and of a thread's stack and spills, as ptxas reports them.\n\n${resourceTable(built.kernels)}`;
}
