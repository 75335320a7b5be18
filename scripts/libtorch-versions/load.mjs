// Loads a built addon in a Node process of its own, and reports which libtorch the loader found.
import { realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BuildError } from "../support/errors.mjs";
import { lastLines, run } from "../support/process.mjs";

const PROGRAM = fileURLToPath(new URL("./load-program.mjs", import.meta.url));

/**
 * @param {string} output the directory with reviewkd.node and preload.node
 * @param {string} libtorch the directory whose libraries must be loaded
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} how many networks the addon lists
 * @throws {BuildError} LOAD_FAILED
 */
export async function loadInNewProcess(output, libtorch, env) {
  // These would place other libraries in front of those that the addon's run path names.
  const loaderEnv = { ...env, LD_LIBRARY_PATH: undefined, LD_PRELOAD: undefined };
  const { status, signal, stdout, output: text } = await run(process.execPath, [PROGRAM, join(output, "preload.node"), join(output, "reviewkd.node")], { env: loaderEnv });
  if (status !== 0) throw new BuildError("LOAD_FAILED", `the addon did not load with ${libtorch} (status ${status ?? signal ?? "unknown"}):\n${lastLines(text)}\nFix the error.`);
  /** @type {{ models: number, libraries: string[] }} */
  const { models, libraries } = JSON.parse(stdout);
  const expected = join(realpathSync(libtorch), "lib");
  const other = libraries.filter((path) => dirname(realpathSync(path)) !== expected);
  if (libraries.length === 0 || other.length > 0) {
    throw new BuildError("LOAD_FAILED", `invalid libtorch: expected the libraries of ${expected}, received ${other.join(", ") || "none"}. Remove the other libtorch from the loader's search path.`);
  }
  if (models === 0) throw new BuildError("LOAD_FAILED", "invalid listModels(): expected networks, received an empty list. Check native/core/models/backbones/registry.cpp.");
  return models;
}
