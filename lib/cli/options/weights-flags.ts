import type { Command } from "commander";
import { schemas } from "../../index.js";
import { addValue } from "./add-value.js";
import { oneOf, text } from "./values.js";

/** What Commander hands over for {@link addStoredType} and {@link addForce}. */
export interface StoredFlags {
  readonly dtype?: (typeof DTYPES)[number];
  readonly force?: true;
}

const DTYPES = schemas.ConvertOptions.shape.dtype.unwrap().options;

/** Which of a file's state dicts is meant. */
export function addKey(command: Command): void {
  addValue(command, "--key <name>", "which dictionary of the file, where it holds several state dicts (model_ema say)", text);
}

export function addStoredType(command: Command): void {
  addValue(command, "--dtype <type>", `what floating point numbers become: ${DTYPES.join(", ")} (default: as they are)`, oneOf(DTYPES));
}

export function addForce(command: Command): void {
  command.option("--force", "replace a file that is there");
}
