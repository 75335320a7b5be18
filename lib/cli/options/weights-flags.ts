import type { Command } from "commander";
import { schemas } from "../../index.js";
import { addValue } from "./add-value.js";
import { oneOf, text } from "./values.js";

export interface StoredFlags {
  readonly dtype?: (typeof DTYPES)[number];
  readonly force?: true;
}

const DTYPES = schemas.ConvertOptions.shape.dtype.unwrap().options;

/** Adds `--key`, which selects one of a file's state dicts. */
export function addKey(command: Command): void {
  addValue(command, "--key <name>", "dictionary to use if the file holds several state dicts, for example model_ema",
    text);
}

export function addStoredType(command: Command): void {
  addValue(command, "--dtype <type>", `convert floating point numbers to ${DTYPES.join(", ")} (default: unchanged)`,
    oneOf(DTYPES));
}

export function addForce(command: Command): void {
  command.option("--force", "replace an existing file");
}
