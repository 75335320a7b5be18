#!/usr/bin/env -S node --import tsx
// Proves of the code for Windows what can be proven on Linux:  node --import tsx scripts/check/windows.mjs
//   1. CMake configures for clang-cl, against the libtorch of the real wheel for Windows, and clang-cl knows every option.
//   2. Every file of the addon compiles for Windows, with mingw-w64's headers of the system and that libtorch's own, and asks of the compiler's
//      run-time library for nothing that is not linked.
//   3. Of the wheel's libraries all are known that have to go with the addon.
//   4. The layer between the core and the system does under Wine what test/platform claims, and here as well.
// Nothing is linked with libtorch, for its names are those of Microsoft's compiler: what this cannot tell, a build on Windows will.
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureLibTorchOf } from "../../lib/install/fetch.js";
import { BuildError, runMain } from "../support/errors.js";
import { run } from "../../lib/install/process.js";
import { compileForWindows } from "./windows/compile.mjs";
import { configureForWindows } from "./windows/configure.mjs";
import { testPlatform } from "./windows/platform.mjs";
import { checkWheel } from "./windows/wheel.mjs";

const TOOLS = ["clang", "clang++", "llvm-dlltool", "llvm-nm", "x86_64-w64-mingw32-g++-posix", "cmake", "ninja", "wine"];
const INSTALL = "apt-get install clang llvm g++-mingw-w64-x86-64 cmake ninja-build wine wine64 on Debian";

await runMain(async () => {
  if (process.argv.length > 2) throw new BuildError("USAGE", `expected no words, got ${process.argv.slice(2).join(" ")}`);
  const missing = [];
  for (const tool of TOOLS) {
    const { startError } = await run(tool, ["--version"]);
    if (startError) missing.push(tool);
  }
  if (missing.length > 0) {
    throw new BuildError("TOOL_MISSING", `expected clang, mingw-w64, CMake, Ninja and Wine for checking the code for Windows, got none of ${missing.join(", ")}; ${INSTALL}`);
  }

  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const directory = join(root, "build", "windows");
  await mkdir(directory, { recursive: true });
  const progress = (/** @type {string} */ line) => process.stderr.write(`windows: ${line}\n`);
  const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

  await testPlatform(root, join(directory, "platform"), progress, say);
  const libtorch = await ensureLibTorchOf("win32-x64", { env: process.env, progress });
  const { libraries, runtime } = await checkWheel(root, libtorch);
  say(`with the addon go ${libraries.join(", ")} of the wheel, and of Microsoft's runtime ${runtime.join(", ")}`);
  const commands = await configureForWindows(root, join(directory, "addon"), libtorch, progress);
  say(`clang-cl: CMake configures, and all options of ${commands.length} compilations are known`);
  const { files, openMp } = await compileForWindows(root, join(directory, "objects"), commands, progress);
  say(`${files} files of the addon compile for Windows; of OpenMP's runtime they ask for ${openMp.join(", ")}`);
});
