// Loads a built addon in a Node process of its own, and reports which libtorch the loader found.
import { realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { lastLines, run } from "../../../lib/install/process.js";
import { BuildError } from "../../support/errors.js";

const PROGRAM = fileURLToPath(new URL("./load-program.mjs", import.meta.url));

/**
 * Loads the addon in `output`, a directory with reviewkd.node and preload.node.
 *
 * @param libtorch - The directory whose libraries must be loaded.
 * @returns the number of networks that the addon lists.
 * @throws BuildError LOAD_FAILED.
 */
export async function loadInNewProcess(output: string, libtorch: string, env: NodeJS.ProcessEnv): Promise<number> {
  // These would take precedence over the libraries on the addon's run path.
  const loaderEnv = { ...env, LD_LIBRARY_PATH: undefined, LD_PRELOAD: undefined };
  const { status, signal, stdout, output: text } = await run(process.execPath, [PROGRAM, join(output, "preload.node"),
    join(output, "reviewkd.node")], { env: loaderEnv });
  if (status !== 0)
    throw new BuildError("LOAD_FAILED",
      `the addon did not load with ${libtorch} (status ${status ?? signal ?? "unknown"}):\n${lastLines(text)}\nFix the error.`);
  const { models, libraries } = JSON.parse(stdout) as { models: number; libraries: string[] };
  const expected = join(realpathSync(libtorch), "lib");
  const other = libraries.filter((path) => dirname(realpathSync(path)) !== expected);
  if (libraries.length === 0 || other.length > 0) {
    throw new BuildError("LOAD_FAILED",
      `invalid libtorch: expected the libraries of ${expected}, received ${other.join(", ") || "none"}. Remove the other libtorch from the loader's search path.`);
  }
  if (models === 0)
    throw new BuildError("LOAD_FAILED",
      "invalid listModels(): expected networks, received an empty list. Check native/core/models/backbones/registry.cpp.");
  return models;
}
