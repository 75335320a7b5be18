// The command line of `npm run check:libtorch`.
import { parseArgs } from "node:util";
import { BuildError } from "../support/errors.mjs";
import { pinsOf, TORCH_VERSIONS } from "./pins.mjs";

/**
 * @typedef {object} CheckOptions
 * @property {string[]} versions to check, in this order
 * @property {string | undefined} record the Markdown file to write
 * @property {boolean} clean
 * @property {boolean} help
 */

export const USAGE = `Usage: npm run check:libtorch -- [options]

Compiles and links the addon, its preload library, the host emulation and the CUDA plugin against each supported libtorch, and loads the addon
with it. Fails on any warning of a compiler or linker, and on a symbol that no library defines. Needs no GPU.

  --versions LIST  torch versions, separated by commas (default ${TORCH_VERSIONS.join(",")})
  --record FILE    also writes the table as Markdown, with hardware and versions of the compilers
  --clean          deletes the unpacked wheels of a version after its check (1.2 GB each)
  --help           prints this text
`;

/**
 * @param {readonly string[]} parameters
 * @returns {CheckOptions}
 * @throws {BuildError} USAGE
 */
export function parseOptions(parameters) {
  const { versions, record, clean, help } = parse(parameters);
  const list = versions.split(",").map((version) => version.trim()).filter(Boolean);
  if (list.length === 0) throw new BuildError("USAGE", `invalid --versions: expected versions such as ${TORCH_VERSIONS[0] ?? "2.11.0"}, received an empty list. Leave the option out to check all.`);
  for (const version of list) pinsOf(version, "--versions");
  return { versions: [...new Set(list)], record, clean, help };
}

/** @param {readonly string[]} parameters */
function parse(parameters) {
  try {
    return parseArgs({
      args: [...parameters],
      options: {
        versions: { type: "string", default: TORCH_VERSIONS.join(",") }, record: { type: "string" }, clean: { type: "boolean", default: false }, help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new BuildError("USAGE", `invalid options: ${/** @type {Error} */ (error).message}. Run \`npm run check:libtorch -- --help\`.`);
  }
}
