// Tools that come from Python's registry: each with its own file of pinned versions and hashes, installed by pip into
// the package's cache.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cacheRoot } from "../../lib/install/cache.js";
import { python, requirePip } from "../../lib/install/pip.js";
import { withFileLock } from "../../lib/install/file-lock.js";
import { run } from "../../lib/install/process.js";
import { runTool } from "../support/tools.js";

/**
 * The folder with an installed tool, for PYTHONPATH; installs the tool unless the cache has it.
 *
 * @throws BuildError PYTHON_NOT_FOUND, PIP_NOT_FOUND or DOWNLOAD_FAILED.
 */
export async function pythonTool(name: "clang-format" | "clang-tidy" | "gcovr" | "onnx",
  env: NodeJS.ProcessEnv): Promise<string> {
  const requirements = join(import.meta.dirname, "requirements", `${name}.txt`);
  // Wheels with compiled code are for one version of Python.
  const { stdout } = await run(python, ["-c",
    "import sysconfig; print(sysconfig.get_platform(), sysconfig.get_python_version())"], { env });
  const key = createHash("sha256").update(await readFile(requirements)).update(stdout).digest("hex").slice(0, 12);
  const directory = join(cacheRoot(env), "python-tools", `${name}-${key}`);
  if (existsSync(directory)) return directory;
  await requirePip(env);
  return withFileLock(join(dirname(directory), `.lock-${name}`), async () => {
    if (!existsSync(directory)) await install(requirements, directory, env);
    return directory;
  });
}

/** The path of the program that a wheel of LLVM's tools holds. */
export async function clangTool(name: "clang-format" | "clang-tidy", env: NodeJS.ProcessEnv): Promise<string> {
  const folder = join(await pythonTool(name, env), name.replace("-", "_"), "data", "bin");
  return join(folder, process.platform === "win32" ? `${name}.exe` : name);
}

async function install(requirements: string, directory: string, env: NodeJS.ProcessEnv): Promise<void> {
  const staging = `${directory}.${process.pid}.partial`;
  try {
    await mkdir(staging, { recursive: true });
    await runTool(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes",
      "--only-binary=:all:", "--target", staging, "--requirement", requirements], { env, code: "DOWNLOAD_FAILED",
      failure: `pip could not install ${requirements}`, fix: "Check the network and run this again." });
    await rename(staging, directory);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}
