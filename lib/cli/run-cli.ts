import { answeredExitCode, describeError, EXIT } from "./errors.js";
import { buildProgram } from "./program.js";

/** Runs one command line (without the program name) and returns the exit code; errors are printed, never thrown. */
export async function runCli(words: readonly string[]): Promise<number> {
  const program = buildProgram();
  try {
    await program.parseAsync(words, { from: "user" });
    return Number(process.exitCode ?? EXIT.done);
  } catch (error) {
    const answered = answeredExitCode(error);
    if (answered !== undefined) return answered;
    return report(error, words.includes("--json"));
  }
}

function report(error: unknown, json: boolean): number {
  const { code, message, exitCode } = describeError(error);
  if (json) process.stdout.write(`${JSON.stringify({ type: "error", code, message })}\n`);
  // @env REVIEWKD_DEBUG users: `1` prints an error of the command line with its stack and cause. Default: its message
  // alone.
  if (process.env["REVIEWKD_DEBUG"] === "1") console.error(error);
  // The user was informed when the key was pressed.
  if (exitCode !== EXIT.interrupted) process.stderr.write(`error [${code}]: ${message}\n`);
  return exitCode;
}
