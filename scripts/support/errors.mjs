// The error type of the build scripts: a code for tools and tests, a message for people.

/** A failure that the user can mend; its message says what was expected, what was found and what to do. */
export class BuildError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "BuildError";
    this.code = code;
  }
}

/**
 * Runs a script's main function; a `BuildError` is printed without a stack trace and ends the process with 1.
 *
 * @param {() => Promise<void>} main
 */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    process.stderr.write(`${error.code}: ${error.message}\n`);
    process.exitCode = 1;
  }
}
