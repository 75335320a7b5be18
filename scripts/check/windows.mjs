// Checks of the code for Windows what can be checked on Linux:  node --import tsx scripts/check/windows.mjs
//   1. CMake configures for clang-cl, against the libtorch of the real wheel for Windows, and clang-cl accepts every
//      option.
//   2. Every file of the addon compiles for Windows, with mingw-w64's system headers and that libtorch's own, and
//      requires no function of the compiler's run-time library that is not linked.
//   3. All libraries of the wheel that must be packed with the addon are known.
//   4. The platform layer passes test/platform under Wine, and on this system as well.
// The objects are not linked with libtorch, whose symbols are mangled by Microsoft's compiler: only a build on Windows
// can show the rest.
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
  if (process.argv.length > 2)
    throw new BuildError("USAGE",
      `invalid arguments: expected none, received ${process.argv.slice(2).join(" ")}. Run \`npm run check:windows\` without them.`);
  const missing = [];
  for (const tool of TOOLS) {
    const { startError } = await run(tool, ["--version"]);
    if (startError) missing.push(tool);
  }
  if (missing.length > 0) {
    throw new BuildError("TOOL_MISSING", `missing tools: ${missing.join(", ")}. Run ${INSTALL}.`);
  }

  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const directory = join(root, "build", "windows");
  await mkdir(directory, { recursive: true });
  const progress = (/** @type {string} */ line) => process.stderr.write(`windows: ${line}\n`);
  const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

  await testPlatform(root, join(directory, "platform"), progress, say);
  const libtorch = await ensureLibTorchOf("win32-x64", { env: process.env, progress });
  const { libraries, runtime } = await checkWheel(root, libtorch);
  say(`packed with the addon: ${libraries.join(", ")} of the wheel, and ${runtime.join(", ")} of Microsoft's runtime`);
  const commands = await configureForWindows(root, join(directory, "addon"), libtorch, progress);
  say(`clang-cl: CMake configures, and accepts all options of ${commands.length} compilations`);
  const { files, openMp } = await compileForWindows(root, join(directory, "objects"), commands, progress);
  say(`${files} files of the addon compile for Windows; they require ${openMp.join(", ")} of OpenMP's runtime`);
});
