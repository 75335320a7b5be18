import { ReviewKdError } from "../../lib/errors.js";

/** A failure of a script that its user can fix: a code for tools and tests, a message for people. */
export class BuildError extends Error {
  override readonly name = "BuildError";

  constructor(readonly code: string, message: string) {
    super(message);
  }
}

/** Runs a script's main function. Errors with a code are printed without a stack trace and end the process with 1. */
export async function runMain(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof BuildError || error instanceof ReviewKdError)) throw error;
    process.stderr.write(`${error.code}: ${error.message}\n`);
    process.exitCode = 1;
  }
}
