// The command line of `npm run check:cuda`.
import { TORCH_VERSIONS } from "../check/libtorch-versions/pins.js";
import { BuildError } from "../support/errors.js";

export interface CheckOptions {
  readonly help: boolean;
  count: boolean;
  /** Such as `2.11.0`; undefined: the libtorch that the package is built with. */
  torch: string | undefined;
  /** Arguments of mocha, or of the count. */
  readonly rest: string[];
}

export const USAGE = `Usage: npm run check:cuda -- [--torch VERSION] [MOCHA'S OPTIONS]
       npm run check:cuda -- --count [--torch VERSION] [--pair resnet56-resnet20@128] [--precision bfloat16] [--json]

Runs the package with its CUDA plugin and libtorch's CUDA half on a machine without a GPU, on a CUDA runtime that records its calls:
the suites of test/cuda, or a count of the kernels of a training step. docs/cuda.md describes what this proves, and what it cannot.

  --torch VERSION  compiles addon and plugin for another libtorch and runs on that: ${TORCH_VERSIONS.join(", ")}
  --count          prints kernels, copies and memsets of a step by name and stream
  -g PATTERN       runs some of the tests
  --help           prints this text
`;

/** Parses the command line. @throws BuildError USAGE. */
export function parseOptions(parameters: readonly string[]): CheckOptions {
  const options: CheckOptions = { help: parameters.includes("--help"), count: false, torch: undefined, rest: [] };
  for (const words = [...parameters]; words.length > 0;) {
    const word = words.shift() ?? "";
    if (word === "--help") continue;
    if (word === "--count") options.count = true;
    else if (!options.help && (word === "--torch" || word.startsWith("--torch=")))
      options.torch = pinned(word === "--torch" ? words.shift() : word.slice("--torch=".length));
    else options.rest.push(word);
  }
  return options;
}

function pinned(version: string | undefined): string {
  if (version !== undefined && TORCH_VERSIONS.includes(version)) return version;
  throw new BuildError("USAGE",
    `invalid --torch: expected ${TORCH_VERSIONS.join(", ")}, received ${version || "none"}. Give one of these, or leave the option out.`);
}
