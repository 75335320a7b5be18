import { answeredExitCode, describeError, EXIT } from "./errors.js";
import { printableLines } from "./display/format.js";
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
    const command = program.commands.find((one) => one.name() === words[0])?.name();
    return report(error, words.includes("--json"), command === undefined ? "reviewkd" : `reviewkd ${command}`);
  }
}

function report(error: unknown, json: boolean, command: string): number {
  const { code, message, exitCode } = describeError(error, command);
  if (json) process.stdout.write(`${JSON.stringify({ type: "error", code, message })}\n`);
  // @env REVIEWKD_DEBUG users: `1` prints an error of the command line with its stack and cause. Default: its message
  // alone.
  if (process.env["REVIEWKD_DEBUG"] === "1") console.error(error);
  // The user was informed when the key was pressed.
  if (exitCode !== EXIT.interrupted) process.stderr.write(`error [${code}]: ${printableLines(message)}\n`);
  return exitCode;
}
