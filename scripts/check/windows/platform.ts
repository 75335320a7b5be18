// Builds test/platform for Windows and for this machine, and runs both.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { lastLines, run } from "../../../lib/install/process.js";
import { BuildError } from "../../support/errors.js";
import { root } from "../../support/files.js";
import { runTool } from "../../support/tools.js";

/** Prints each result with `say`. @throws BuildError BUILD_FAILED, PLATFORM_FAILED. */
export async function testPlatform(directory: string, progress: (line: string) => void,
  say: (line: string) => void): Promise<void> {
  const systems = [
    { name: "this system", key: "here", settings: [], runner: undefined, suffix: "" },
    { name: "Windows, by Wine", key: "windows",
      settings: ["-DCMAKE_SYSTEM_NAME=Windows", "-DCMAKE_CXX_COMPILER=x86_64-w64-mingw32-g++-posix"], runner: "wine",
      suffix: ".exe" },
  ];
  for (const { name, key, settings, runner, suffix } of systems) {
    progress(`testing the platform layer on ${name}`);
    const build = join(directory, key);
    await rm(build, { recursive: true, force: true });
    for (const words of [["-S", join(root, "test/platform"), "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
      ...settings], ["--build", build, "--parallel"]])
      await runTool("cmake", words, { code: "BUILD_FAILED", failure: `test/platform does not build for ${name}`,
        lines: 30 });
    const files = join(build, "files");
    await mkdir(files);
    const program = join(build, `platform${suffix}`);
    // A separate Wine prefix, which is created on the first start with verbose output.
    const { status, stdout, output } = await run(runner ?? program, runner === undefined ? [files] : [program, files], {
      env: { ...process.env, WINEPREFIX: join(directory, "wine"), WINEDEBUG: "-all" },
    });
    const lines = stdout.split(/\r?\n/);
    const total = lines.find((line) => /^\d+ cases, /.test(line));
    if (status !== 0 || total === undefined)
      throw new BuildError("PLATFORM_FAILED", `test/platform failed on ${name}:\n${lastLines(output, 30)}`);
    say(`platform layer on ${name}: ${total}`);
    lines.forEach((line, index) => {
      if (line.startsWith("?")) say(`  ${line.slice(1).trim()}: ${(lines[index + 1] ?? "").trim()}`);
    });
  }
}
