import type { Command } from "commander";
import { answeredExitCode, describeError, EXIT, ReportedError, type CommandUse } from "./errors.js";
import { printableLines, wrapList } from "./display/format.js";
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
    if (error instanceof ReportedError) return describeError(error.error).exitCode;
    return report(error, words.includes("--json"), useOf(program, words));
  }
}

/** The command that the first words name. */
function useOf(program: Command, words: readonly string[]): CommandUse {
  let command = program;
  const names = [program.name()];
  for (const word of words) {
    const inner = command.commands.find((one) => one.name() === word);
    if (inner === undefined) break;
    command = inner;
    names.push(word);
  }
  return commandUse(command, names, words);
}

/** How a command may be used; `names`: its own and those above it. */
export function commandUse(command: Command, names: readonly string[], words: readonly string[]): CommandUse {
  const options = [...command.options, ...command.createHelp().visibleOptions(command)];
  return { name: names.join(" "), flags: [...new Set(options.flatMap(({ long }) => long ?? []))],
    arguments: command.registeredArguments.map((one) => one.name()), usage: command.usage(),
    commands: [...command.commands.map((one) => one.name()), "help"], words };
}

/** Columns of a list of names below an error. */
const NAMES_WIDTH = 100;

function report(error: unknown, json: boolean, use: CommandUse): number {
  const { code, message, valid, exitCode } = describeError(error, use);
  if (json) {
    process.stdout.write(`${JSON.stringify({ type: "error", code, message, ...(valid.length > 0 && { valid }) })}\n`);
  }
  // @env REVIEWKD_DEBUG users: `1` prints an error of the command line with its stack and cause. Default: its message
  // alone.
  if (process.env["REVIEWKD_DEBUG"] === "1") console.error(error);
  // The user was informed when the key was pressed.
  if (exitCode !== EXIT.interrupted) {
    // The message has short lists itself, and the name that was meant needs none.
    const needsList = valid.length > 0 && !/did you mean/i.test(message) &&
      valid.some((name) => !message.includes(name));
    const list = needsList ? `\naccepted: ${wrapList(valid, NAMES_WIDTH)}` : "";
    process.stderr.write(`error [${code}]: ${printableLines(message + list)}\n`);
  }
  return exitCode;
}
