import type { Command } from "commander";
import { schemas } from "../../index.js";
import { addValue } from "./add-value.js";
import type { FlagRow } from "./schema-flags.js";
import { oneOf, text } from "./values.js";

export interface StoredFlags {
  readonly dtype?: (typeof DTYPES)[number];
  readonly force?: true;
}

const DTYPES = schemas.ConvertOptions.shape.dtype.unwrap().options;

/** Which of a file's weights are read, and whether all must fit. */
export interface LoadFlags {
  readonly key?: string;
  readonly strict: boolean;
}

const KEY_HELP = "which of several state dicts in the weights file, for example model_ema";
const STRICT_HELP = "also load weights that fit in part, such as those for another number of classes";

/** Adds `--key`, which selects one of a file's state dicts. */
export function addKey(command: Command): void {
  addValue(command, "--key <name>", KEY_HELP, text);
}

/** Adds `--key` and `--no-strict`. */
export function addLoadFlags(command: Command): void {
  addKey(command);
  command.option("--no-strict", STRICT_HELP);
}

/** The same for the networks of a run, whose weights are read in turn. */
export const LOAD_ROWS = {
  model: [{ path: "model.key", flag: "--key <name>", help: KEY_HELP }, { path: "model.strict", flag: "--no-strict",
    help: STRICT_HELP }],
  teacher: [{ path: "teacher.key", flag: "--teacher-key <name>", help: `the teacher's: ${KEY_HELP}` }],
  student: [{ path: "student.key", flag: "--student-key <name>", help: `the student's: ${KEY_HELP}` }, {
    path: "student.strict",
    flag: "--no-strict",
    help: `the student's: ${STRICT_HELP}`,
  }],
} as const satisfies Record<string, readonly FlagRow[]>;

export function addStoredType(command: Command): void {
  addValue(command, "--dtype <type>", `convert floating point numbers to ${DTYPES.join(", ")} (default: unchanged)`,
    oneOf(DTYPES));
}

export function addForce(command: Command): void {
  command.option("--force", "replace an existing file");
}
