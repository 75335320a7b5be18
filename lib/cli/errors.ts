import { CommanderError } from "commander";
import { isReviewKdError, messageOf, ReviewKdError, type ErrorCode } from "../index.js";

/** Exit codes of this program. */
export const EXIT = {
  /** Success. */
  done: 0,
  /** It failed for the printed reason; `doctor` found a problem. */
  failed: 1,
  /** The command line or a configuration file is wrong, or no command was given. */
  usage: 2,
  /** Ctrl-C or SIGTERM stopped it. What can be resumed was saved, unless the signal came twice. */
  interrupted: 130,
} as const;

const USAGE_CODES: ReadonlySet<string> = new Set<ErrorCode>(["INVALID_ARGUMENT", "UNKNOWN_NAME", "CONFIG_INVALID"]);

/** An error as shown on the terminal and with `--json`. */
export interface ErrorReport {
  readonly code: ErrorCode;
  readonly message: string;
  readonly exitCode: number;
}

/** The exit code if Commander stopped after printing help or the version; help for a missing command is an error. */
export function answeredExitCode(error: unknown): number | undefined {
  if (!(error instanceof CommanderError)) return undefined;
  if (error.exitCode === 0) return EXIT.done;
  return error.code === "commander.help" ? EXIT.usage : undefined;
}

/** Options that errors of the API propose, and their flags. */
const FLAGS: readonly (readonly [option: RegExp, flag: string])[] = [
  [/`(?:model\.)?key`/g, "--key NAME"],
  [/`(teacher|student)\.key`/g, "--$1-key NAME"],
  [/`(?:(?:model|student)\.)?strict: false`/g, "--no-strict"],
];

function withFlags(message: string): string {
  return FLAGS.reduce((text, [option, flag]) => text.replace(option, flag), message);
}

/** @param command - whose help explains a wrong use. */
export function describeError(error: unknown, command = "reviewkd"): ErrorReport {
  if (isReviewKdError(error))
    return { code: error.code, message: withFlags(error.message), exitCode: exitCodeOf(error.code) };
  if (error instanceof CommanderError) {
    return { code: "INVALID_ARGUMENT", message: usageMessage(error.message, command), exitCode: EXIT.usage };
  }
  return { code: "INTERNAL", message: messageOf(error), exitCode: EXIT.failed };
}

function exitCodeOf(code: ErrorCode): number {
  if (code === "ABORTED") return EXIT.interrupted;
  return USAGE_CODES.has(code) ? EXIT.usage : EXIT.failed;
}

/** Rewrites Commander's "error: …\n(Did you mean …?)" as one sentence and a pointer to the help. */
function usageMessage(message: string, command: string): string {
  const [problem = "", hint] = message.replace(/^error: /, "").split("\n");
  const suggestion = hint === undefined ? "" : `; ${hint.replace(/^\(D(.*)\)$/, "d$1")}`;
  return `${problem}${suggestion} See \`${command} --help\`.`.replace(/([^.?]) See/, "$1. See");
}

/** A usage error that names the option, its expected and received value and, as a sentence, the fix. */
export function usageError(expected: string, option: string, received: string, remedy = ""): ReviewKdError {
  const message = `invalid ${option}: expected ${expected}, received "${received}".`;
  return new ReviewKdError("INVALID_ARGUMENT", remedy === "" ? message : `${message} ${remedy}`);
}
