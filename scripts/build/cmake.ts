import { lastLines, run, type RunOptions } from "../../lib/install/process.js";
import { BuildError } from "../support/errors.js";

/** A run of CMake, and how its failure is reported. */
export interface CMakeOptions extends RunOptions {
  readonly code: "CONFIGURE_FAILED" | "COMPILE_FAILED";
  /** One sentence that follows the tool's output in the message. */
  readonly fix?: string;
}

/**
 * Configures or compiles.
 *
 * @returns everything that CMake and the tools that it starts printed.
 * @throws BuildError CMAKE_NOT_FOUND, or the code of the options.
 */
export async function cmake(parameters: readonly string[],
  { code, fix = "Fix the error.", ...options }: CMakeOptions): Promise<string> {
  const { status, output, startError } = await run("cmake", parameters, options);
  if (startError) {
    throw new BuildError("CMAKE_NOT_FOUND",
      "invalid PATH: expected CMake 3.22 or later, received none. Install it (Debian and Ubuntu: `apt-get install cmake g++ make`).");
  }
  if (status !== 0)
    throw new BuildError(code,
      `cmake ${parameters.slice(0, 2).join(" ")} failed with status ${status ?? "unknown"}:\n${lastLines(output, 60)}\n${fix}`);
  return output;
}
