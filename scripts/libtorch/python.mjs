// The user's Python: never changed, only asked where its torch is and used to run pip.
import { run } from "../support/process.mjs";
import { BuildError } from "../support/errors.mjs";

const HOW_TO_INSTALL = "install it (Debian and Ubuntu: `apt-get install python3 python3-pip`), or set REVIEWKD_LIBTORCH to a libtorch directory";

// The working directory is kept out of the search, since a folder named torch may stand in it.
const FIND_TORCH = `
import importlib.util, os, sys
sys.path = [p for p in sys.path if p not in ("", os.getcwd())]
spec = importlib.util.find_spec("torch")
print((spec and spec.submodule_search_locations or [""])[0])
`;

/** The command that starts Python 3. */
export const python = process.platform === "win32" ? "python" : "python3";

/**
 * The directory of the active Python's torch, found without importing it; undefined when there is no Python or no torch.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export async function torchOfPython(env) {
  const { status, stdout } = await run(python, ["-c", FIND_TORCH], { env });
  return (status === 0 && stdout.trim()) || undefined;
}

/**
 * Checks that Python and pip can be run.
 *
 * @param {NodeJS.ProcessEnv} env
 * @throws {BuildError} PYTHON_NOT_FOUND or PIP_NOT_FOUND
 */
export async function requirePip(env) {
  const version = await run(python, ["-c", "import sys; print('%d.%d' % sys.version_info[:2]); sys.exit(sys.version_info < (3, 8))"], { env });
  if (version.status !== 0) {
    const found = version.startError ? `no ${python} on PATH` : `Python ${version.stdout.trim() || "that does not start"}`;
    throw new BuildError("PYTHON_NOT_FOUND", `expected Python 3.8 or later for fetching libtorch, got ${found}; ${HOW_TO_INSTALL}`);
  }
  const pip = await run(python, ["-m", "pip", "--version"], { env });
  if (pip.status !== 0) {
    throw new BuildError("PIP_NOT_FOUND", `expected pip for fetching libtorch, got a ${python} without it; ${HOW_TO_INSTALL}`);
  }
}
