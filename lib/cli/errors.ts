import { CommanderError } from "commander";
import { isReviewKdError, messageOf, nearestName, ReviewKdError, type ErrorCode } from "../index.js";
import { ARGUMENT_ALIASES, COMMAND_ALIASES, FLAG_ALIASES, FLAG_NOTES } from "./options/flag-aliases.js";

/** Exit codes of this program. */
export const EXIT = {
  /** Success. */
  done: 0,
  /** It failed for the printed reason; `doctor` found a problem. */
  failed: 1,
  /** The command line or a configuration file is wrong, or no command was given. */
  usage: 2,
  /** A cell of a study waits for the teacher, cell 0: try again once that is done (EX_TEMPFAIL of sysexits.h). */
  waiting: 75,
  /**
   * Ctrl-C, SIGTERM, SIGUSR1 or a closed terminal stopped it. What can be resumed was saved, unless Ctrl-C came twice.
   */
  interrupted: 130,
} as const;

const USAGE_CODES: ReadonlySet<string> = new Set<ErrorCode>(["INVALID_ARGUMENT", "UNKNOWN_NAME", "CONFIG_INVALID"]);

/** An error as shown on the terminal and with `--json`. */
export interface ErrorReport {
  readonly code: ErrorCode;
  readonly message: string;
  /** The accepted names, if there is a list of them. */
  readonly valid: readonly string[];
  readonly exitCode: number;
}

/** An error that another process prints. */
export class ReportedError extends Error {
  constructor(readonly error: unknown) {
    super("another process reports the error");
  }
}

/** A command of the program with what may follow it. */
export interface CommandUse {
  /** With the program's name and those of the commands above it. */
  readonly name: string;
  /** Long flags. */
  readonly flags: readonly string[];
  /** Arguments without a flag. */
  readonly arguments: readonly string[];
  /** The options and arguments as its help shows them: `[options] <file>`. */
  readonly usage: string;
  /** Commands below it. */
  readonly commands: readonly string[];
  /** All words of the command line. */
  readonly words: readonly string[];
}

const PROGRAM: CommandUse = { name: "reviewkd", flags: [], arguments: [], usage: "", commands: [], words: [] };

/** The exit code if Commander stopped after printing help or the version; help for a missing command is an error. */
export function answeredExitCode(error: unknown): number | undefined {
  if (!(error instanceof CommanderError)) return undefined;
  if (error.exitCode === 0) return EXIT.done;
  return error.code === "commander.help" ? EXIT.usage : undefined;
}

/** Commands that only use weights: what they compute of weights that fit in part means nothing. */
const ONLY_USE: ReadonlySet<string> = new Set(["reviewkd eval", "reviewkd predict", "reviewkd detect"]);

/** Options that errors of the API propose, and their flags. */
const FLAGS: readonly (readonly [option: RegExp, flag: string])[] = [
  [/`(?:model\.)?key`/g, "--key NAME"],
  [/`(teacher|student)\.key`/g, "--$1-key NAME"],
  [/`(?:(?:model|student)\.)?strict: false`/g, "--no-strict"],
  [/\(clipNorm\)/g, "(--clip-norm X)"],
  // Boxes are given by programs alone.
  [/Load one of the kind coco, [\w, ]+\./g, "Pass --data coco:DIR, voc:DIR or scenes."],
];

/** The sources of COCO that only a configuration has. */
const COCO_FILES = "or pass images and annotations instead of root.";

/** A message of the API with the options of a command in place of those that programs pass. */
export function withFlags(message: string, { name, flags }: Pick<CommandUse, "name" | "flags">): string {
  const proposed = ONLY_USE.has(name) ? message.replace(/ `strict: false` loads[^.]*\./, "") : message;
  // A study's cells without a teacher train its student.
  const named = name.startsWith("reviewkd study") ? proposed.replaceAll("`model.", "`student.") : proposed;
  const possible = named.replace(`, ${COCO_FILES}`,
    flags.includes("--config") ? `, ${COCO_FILES.slice(0, -1)} in a file for --config.` : " and unpack it there.");
  return FLAGS.reduce((text, [option, flag]) => text.replace(option, flag), possible);
}

/** @param use - The command that was used wrongly: its help explains it. */
export function describeError(error: unknown, use = PROGRAM): ErrorReport {
  if (isReviewKdError(error)) {
    const { code, message, valid } = error;
    return { code, message: withFlags(message, use), valid, exitCode: exitCodeOf(code) };
  }
  if (error instanceof CommanderError) {
    return { code: "INVALID_ARGUMENT", message: usageMessage(error.message, use), valid: [], exitCode: EXIT.usage };
  }
  // Of Node's own checks, such as a path with a NUL byte.
  const isArgument = /^ERR_(?:INVALID|OUT_OF_RANGE)/.test((error as NodeJS.ErrnoException | null)?.code ?? "");
  return { code: isArgument ? "INVALID_ARGUMENT" : "INTERNAL", message: messageOf(error), valid: [],
    exitCode: isArgument ? EXIT.usage : EXIT.failed };
}

function exitCodeOf(code: ErrorCode): number {
  if (code === "ABORTED") return EXIT.interrupted;
  if (code === "TEACHER_UNFINISHED") return EXIT.waiting;
  return USAGE_CODES.has(code) ? EXIT.usage : EXIT.failed;
}

/** Rewrites Commander's "error: …" as a sentence, with the flag or command that was meant and a pointer to the help. */
function usageMessage(message: string, use: CommandUse): string {
  const problem = unknownFlagFirst(message.replace(/^error: /, "").split("\n")[0] ?? "", use);
  const [, kind, word = ""] = /^unknown (option|command) '(.+)'$/.exec(problem) ?? [];
  const hint = kind === "option" ? flagHint(word, use)
    : kind === "command" ? commandHint(word, use.commands) : "";
  return [`${problem.replace(/\.$/, "")}.`, hint, `See \`${use.name} --help\`.`].filter((part) => part !== "").join(
    " ",
  );
}

/** A required flag is often missing because it was given by another name. */
function unknownFlagFirst(problem: string, use: CommandUse): string {
  const { flags, words } = use;
  if (!problem.startsWith("required option")) return problem;
  const unknown = words.slice(0, words.includes("--") ? words.indexOf("--") : undefined)
    .find((word) => /^--?[a-z]/i.test(word) && !flags.includes(flagIn(word)) && flagHint(word, use) !== "");
  return unknown === undefined ? problem : `unknown option '${unknown}'`;
}

function flagIn(word: string): string {
  return word.split("=", 1)[0] ?? "";
}

/** Advice for an unknown flag: a note on it, another flag or an argument; empty if nothing is close. */
function flagHint(word: string, use: CommandUse): string {
  if (use.name === "reviewkd launch" && !use.words.includes("--"))
    return "The command that is launched and its options follow after --.";
  const flag = flagIn(word);
  const name = normalizedName(flag);
  const { note } =
    FLAG_NOTES.find(({ names, has, lacks = "" }) =>
      names.includes(name) && use.flags.includes(has) && !use.flags.includes(lacks)
    ) ?? {};
  if (note !== undefined) return note;
  // Flags that are on by default are meant as well: `--augment` is the opposite of `--no-augment`.
  const on = use.flags.filter((each) => each.startsWith("--no-")).map((each) => each.replace("--no-", "--"));
  const flags = [...use.flags, ...on.filter((each) => !use.flags.includes(each))];
  const meant = aliasIn(FLAG_ALIASES, name, flags);
  const argument = aliasIn(ARGUMENT_ALIASES, name, use.arguments);
  if (meant === undefined && argument !== undefined)
    return `It is an argument without a flag: \`${use.name} ${use.usage}\`.`;
  // Dashes are no letters, a third of which may be wrong.
  const near = meant ??
    prefixed(nearestName(flag.replace(/^-+/, ""), flags.map((each) => each.slice(2)), { names: {} }));
  if (near === undefined) return "";
  return use.flags.includes(near) ? `Did you mean ${near}?`
    : `It is on by default; ${near.replace("--", "--no-")} turns it off.`;
}

function prefixed(name: string | undefined): string | undefined {
  return name === undefined ? undefined : `--${name}`;
}

function normalizedName(flag: string): string {
  return flag.toLowerCase().replace(/[^a-z0-9]/g, "");
}

/** The first of the names for an alias that is a candidate. */
function aliasIn(aliases: Readonly<Record<string, readonly string[]>>, name: string, candidates: readonly string[]):
  | string
  | undefined {
  return Object.hasOwn(aliases, name) ? aliases[name]?.find((each) => candidates.includes(each)) : undefined;
}

function commandHint(word: string, commands: readonly string[]): string {
  const meant = nearestName(word, commands, { names: COMMAND_ALIASES });
  return meant === undefined ? "" : `Did you mean ${meant}?`;
}

/** A usage error that names the option, its expected and received value and, as a sentence, the fix. */
export function usageError(expected: string, option: string, received: string, remedy = ""): ReviewKdError {
  const message = `invalid ${option}: expected ${expected}, received "${received}".`;
  return new ReviewKdError("INVALID_ARGUMENT", remedy === "" ? message : `${message} ${remedy}`);
}
