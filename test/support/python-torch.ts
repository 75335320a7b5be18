/** Checkpoints that Python's torch writes and reads, by scripts/fixtures/write_checkpoints.py. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { StoredState } from "./checkpoints.js";

const run = promisify(execFile);
const SCRIPT = "scripts/fixtures/write_checkpoints.py";

/**
 * A Python that has torch, or these modules: the one that REVIEWKD_TEST_PYTHON names, or python3. `undefined` where it
 * has none.
 */
export async function pythonWithTorch(modules = "torch"): Promise<string | undefined> {
  // @env REVIEWKD_TEST_PYTHON tests: The Python with torch that reads and writes files for comparison. Default:
  // `python3`.
  const python = process.env["REVIEWKD_TEST_PYTHON"] ?? "python3";
  return run(python, ["-c", `import ${modules}`]).then(() => python, () => undefined);
}

export async function writeCheckpoints(python: string, directory: string): Promise<void> {
  await run(python, [SCRIPT, directory]);
}

/** The result of `torch.load(path, weights_only=True)`. */
export interface LoadedInPython {
  readonly class: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: StoredState;
}

/** One start of Python, which takes seconds, for all files. */
export async function loadInPython(python: string, paths: readonly string[]): Promise<LoadedInPython[]> {
  const { stdout } = await run(python, [SCRIPT, "--read", ...paths], { maxBuffer: 1e9 });
  return stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as LoadedInPython);
}
