// The command line of `npm run check:libtorch`.
import { parseOptions as parse } from "../../support/command-line.js";
import { BuildError } from "../../support/errors.js";
import { pinsOf, TORCH_VERSIONS } from "./pins.js";

/** The versions to check, in this order, and the Markdown file to write. */
export type CheckOptions = ReturnType<typeof parseOptions>;

export const USAGE = `Usage: npm run check:libtorch -- [options]

Compiles and links the addon, its preload library, the host emulation and the CUDA plugin against each supported libtorch, and loads the addon
with it. Fails on any warning of a compiler or linker, and on a symbol that no library defines. Needs no GPU.

  --versions LIST  torch versions, separated by commas (default ${TORCH_VERSIONS.join(",")})
  --record FILE    also writes the table as Markdown, with hardware and versions of the compilers
  --clean          deletes the unpacked wheels of a version after its check (1.2 GB each)
  --help           prints this text
`;

/** Parses the command line. @throws BuildError USAGE. */
export function parseOptions(parameters: readonly string[]) {
  const { values: { versions, record, clean, help } } = parse({
    args: [...parameters],
    options: {
      versions: { type: "string", default: TORCH_VERSIONS.join(",") },
      record: { type: "string" },
      clean: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  }, "Run `npm run check:libtorch -- --help`.");
  const list = versions.split(",").map((version) => version.trim()).filter(Boolean);
  if (list.length === 0)
    throw new BuildError("USAGE",
      `invalid --versions: expected versions such as ${TORCH_VERSIONS[0] ?? "2.11.0"}, received an empty list. Leave the option out to check all.`);
  for (const version of list) pinsOf(version, "--versions");
  return { versions: [...new Set(list)], record, clean, help };
}
