// The command line of `npm run check:cuda`.
import { TORCH_VERSIONS } from "../libtorch-versions/pins.mjs";
import { BuildError } from "../support/errors.mjs";

/**
 * @typedef {object} CheckOptions
 * @property {boolean} help
 * @property {boolean} count
 * @property {string | undefined} torch such as `2.11.0`; undefined: the libtorch that the package is built with
 * @property {string[]} rest for mocha, or for the count
 */

export const USAGE = `Usage: npm run check:cuda -- [--torch VERSION] [MOCHA'S OPTIONS]
       npm run check:cuda -- --count [--torch VERSION] [--pair resnet56-resnet20@128] [--precision bfloat16] [--json]

Runs the package with its CUDA plugin and libtorch's CUDA half on a machine without a GPU, on a CUDA runtime that records its calls:
the suites of test/cuda, or the kernels of a training step, counted. docs/cuda.md says what this proves, and what it cannot.

  --torch VERSION  compiles addon and plugin for another libtorch and runs on that: ${TORCH_VERSIONS.join(", ")}
  --count          prints kernels, copies and memsets of a step by name and stream
  -g PATTERN       runs some of the tests
  --help           prints this text
`;

/**
 * @param {readonly string[]} parameters
 * @returns {CheckOptions}
 * @throws {BuildError} USAGE
 */
export function parseOptions(parameters) {
  /** @type {CheckOptions} */
  const options = { help: parameters.includes("--help"), count: false, torch: undefined, rest: [] };
  for (const words = [...parameters]; words.length > 0;) {
    const word = /** @type {string} */ (words.shift());
    if (word === "--help") continue;
    if (word === "--count") options.count = true;
    else if (!options.help && (word === "--torch" || word.startsWith("--torch="))) options.torch = pinned(word === "--torch" ? words.shift() : word.slice("--torch=".length));
    else options.rest.push(word);
  }
  return options;
}

/** @param {string | undefined} version */
function pinned(version) {
  if (version !== undefined && TORCH_VERSIONS.includes(version)) return version;
  throw new BuildError("USAGE", `invalid --torch: expected ${TORCH_VERSIONS.join(", ")}, received ${version || "none"}. Give one of these, or leave the option out.`);
}
