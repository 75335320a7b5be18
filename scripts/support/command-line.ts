// The parts that the command lines of several scripts share.
import { parseArgs, type ParseArgsConfig } from "node:util";
import { BuildError } from "./errors.js";

/**
 * Parses the command line as `util.parseArgs` does.
 *
 * @param fix - The sentence that follows an error.
 * @throws BuildError USAGE.
 */
export function parseOptions<T extends ParseArgsConfig>(config: T, fix: string): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new BuildError("USAGE", `invalid options: ${(error as Error).message}. ${fix}`);
  }
}

/** Refuses every argument of the script `npm run NAME`. @throws BuildError USAGE. */
export function expectNoArguments(name: string): void {
  if (process.argv.length > 2)
    throw new BuildError("USAGE",
      `invalid arguments: expected none, received ${process.argv.slice(2).join(" ")}. Run \`npm run ${name}\` without them.`);
}

/** Checks that this is Linux on x86-64. @param fix - The sentence that follows an error. */
export function requireLinuxX64(code: string, fix: string): void {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new BuildError(code,
      `invalid platform: expected linux-x64, received ${process.platform}-${process.arch}. ${fix}`);
}

/** A function that prints lines of progress on standard error. */
export function progressOf(name: string): (line: string) => void {
  return (line) => void process.stderr.write(`${name}: ${line}\n`);
}
