import { CommanderError } from "commander";
import { isReviewKdError, messageOf, ReviewKdError, type ErrorCode } from "../index.js";

/** What a process of this program ends with. */
export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

const USAGE_CODES: ReadonlySet<string> = new Set<ErrorCode>(["INVALID_ARGUMENT", "UNKNOWN_NAME", "CONFIG_INVALID"]);

/** An error as the terminal and `--json` show it. */
export interface ErrorReport {
  readonly code: ErrorCode;
  readonly message: string;
  readonly exitCode: number;
}

/**
 * Where Commander stopped because it has printed `--help` or `--version`: the exit code, else `undefined`. Help that was
 * not asked for, since a command was missing, is a usage error.
 */
export function answeredExitCode(error: unknown): number | undefined {
  if (!(error instanceof CommanderError)) return undefined;
  if (error.exitCode === 0) return EXIT.done;
  return error.code === "commander.help" ? EXIT.usage : undefined;
}

/** Turns anything thrown into a code, one message and an exit code. */
export function describeError(error: unknown): ErrorReport {
  if (isReviewKdError(error)) return { code: error.code, message: error.message, exitCode: exitCodeOf(error.code) };
  if (error instanceof CommanderError) {
    return { code: "INVALID_ARGUMENT", message: usageMessage(error.message), exitCode: EXIT.usage };
  }
  return { code: "INTERNAL", message: messageOf(error), exitCode: EXIT.failed };
}

function exitCodeOf(code: ErrorCode): number {
  if (code === "ABORTED") return EXIT.interrupted;
  return USAGE_CODES.has(code) ? EXIT.usage : EXIT.failed;
}

/** Commander writes "error: …\n(Did you mean …?)"; here it is one sentence with the way to help. */
function usageMessage(message: string): string {
  const [problem = "", hint] = message.replace(/^error: /, "").split("\n");
  const suggestion = hint === undefined ? "" : `; ${hint.replace(/^\(D(.*)\)$/, "d$1")}`;
  return `${problem}${suggestion} See \`reviewkd --help\`.`.replace(/([^.?]) See/, "$1. See");
}

/** A usage error that names the option, what it takes and what it got. */
export function usageError(expected: string, option: string, got: string, remedy = ""): ReviewKdError {
  return new ReviewKdError("INVALID_ARGUMENT", `expected ${expected} for ${option}, got "${got}"${remedy}`);
}
