// Builds test/platform for Windows and for this machine, and runs both.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "../../support/errors.js";
import { lastLines, run } from "../../../lib/install/process.js";

/**
 * @param {string} root
 * @param {string} directory
 * @param {(line: string) => void} progress
 * @param {(line: string) => void} say prints a result
 * @throws {BuildError} BUILD_FAILED, PLATFORM_FAILED
 */
export async function testPlatform(root, directory, progress, say) {
  const systems = [
    { name: "this system", key: "here", settings: [], start: /** @type {string[]} */ ([]), suffix: "" },
    { name: "Windows, by Wine", key: "windows",
      settings: ["-DCMAKE_SYSTEM_NAME=Windows", "-DCMAKE_CXX_COMPILER=x86_64-w64-mingw32-g++-posix"], start: ["wine"],
      suffix: ".exe" },
  ];
  for (const { name, key, settings, start, suffix } of systems) {
    progress(`testing the platform layer on ${name}`);
    const build = join(directory, key);
    await rm(build, { recursive: true, force: true });
    for (const words of [["-S", join(root, "test/platform"), "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
      ...settings], ["--build", build, "--parallel"]]) {
      const { status, output } = await run("cmake", words);
      if (status !== 0)
        throw new BuildError("BUILD_FAILED", `test/platform does not build for ${name}:\n${lastLines(output, 30)}`);
    }
    const files = join(build, "files");
    await mkdir(files);
    const [program = "", ...words] = [...start, join(build, `platform${suffix}`), files];
    // A separate Wine prefix, which is created on the first start with verbose output.
    const { status, stdout, output } = await run(program, words, {
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
