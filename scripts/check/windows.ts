// Checks of the code for Windows what can be checked on Linux:  node --import tsx scripts/check/windows.ts
//   1. CMake configures for clang-cl, against the libtorch of the real wheel for Windows, and clang-cl accepts every
//      option.
//   2. Every file of the addon compiles for Windows, with mingw-w64's system headers and that libtorch's own, and
//      requires no function of the compiler's run-time library that is not linked.
//   3. All libraries of the wheel that must be packed with the addon are known.
//   4. The platform layer passes test/platform under Wine, and on this system as well.
// The objects are not linked with libtorch, whose symbols are mangled by Microsoft's compiler: only a build on Windows
// can show the rest.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ensureLibTorchOf } from "../../lib/install/fetch.js";
import { expectNoArguments, progressOf } from "../support/command-line.js";
import { runMain } from "../support/errors.js";
import { root } from "../support/files.js";
import { requireTools } from "../support/tools.js";
import { compileForWindows } from "./windows/compile.js";
import { configureForWindows } from "./windows/configure.js";
import { testPlatform } from "./windows/platform.js";
import { checkWheel } from "./windows/wheel.js";

const TOOLS = { clang: "clang", "clang++": "clang", "llvm-dlltool": "llvm", "llvm-nm": "llvm",
  "x86_64-w64-mingw32-g++-posix": "g++-mingw-w64-x86-64", cmake: "cmake", ninja: "ninja-build", wine: "wine wine64" };

await runMain(async () => {
  expectNoArguments("check:windows");
  await requireTools(TOOLS);

  const directory = join(root, "build", "windows");
  await mkdir(directory, { recursive: true });
  const progress = progressOf("windows");
  const say = (line: string): void => void process.stdout.write(`${line}\n`);

  await testPlatform(join(directory, "platform"), progress, say);
  const libtorch = await ensureLibTorchOf("win32-x64", { env: process.env, progress });
  const { libraries, runtime } = await checkWheel(libtorch);
  say(`packed with the addon: ${libraries.join(", ")} of the wheel, and ${runtime.join(", ")} of Microsoft's runtime`);
  const commands = await configureForWindows(join(directory, "addon"), libtorch, progress);
  say(`clang-cl: CMake configures, and accepts all options of ${commands.length} compilations`);
  const { files, openMp } = await compileForWindows(join(directory, "objects"), commands, progress);
  say(`${files} files of the addon compile for Windows; they require ${openMp.join(", ")} of OpenMP's runtime`);
});
