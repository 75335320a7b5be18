// The command line of `npm run check:libtorch`.
import { parseArgs } from "node:util";
import { BuildError } from "../../support/errors.js";
import { pinsOf, TORCH_VERSIONS } from "./pins.js";

export interface CheckOptions {
  /** The versions to check, in this order. */
  readonly versions: string[];
  /** The Markdown file to write. */
  readonly record: string | undefined;
  readonly clean: boolean;
  readonly help: boolean;
}

export const USAGE = `Usage: npm run check:libtorch -- [options]

Compiles and links the addon, its preload library, the host emulation and the CUDA plugin against each supported libtorch, and loads the addon
with it. Fails on any warning of a compiler or linker, and on a symbol that no library defines. Needs no GPU.

  --versions LIST  torch versions, separated by commas (default ${TORCH_VERSIONS.join(",")})
  --record FILE    also writes the table as Markdown, with hardware and versions of the compilers
  --clean          deletes the unpacked wheels of a version after its check (1.2 GB each)
  --help           prints this text
`;

/** Parses the command line. @throws BuildError USAGE. */
export function parseOptions(parameters: readonly string[]): CheckOptions {
  const { versions, record, clean, help } = parse(parameters);
  const list = versions.split(",").map((version) => version.trim()).filter(Boolean);
  if (list.length === 0)
    throw new BuildError("USAGE",
      `invalid --versions: expected versions such as ${TORCH_VERSIONS[0] ?? "2.11.0"}, received an empty list. Leave the option out to check all.`);
  for (const version of list) pinsOf(version, "--versions");
  return { versions: [...new Set(list)], record, clean, help };
}

function parse(
  parameters: readonly string[],
): { versions: string; record?: string | undefined; clean: boolean; help: boolean } {
  try {
    return parseArgs({
      args: [...parameters],
      options: {
        versions: { type: "string", default: TORCH_VERSIONS.join(",") },
        record: { type: "string" },
        clean: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new BuildError("USAGE",
      `invalid options: ${(error as Error).message}. Run \`npm run check:libtorch -- --help\`.`);
  }
}
