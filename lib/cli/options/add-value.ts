import { Option, type Command } from "commander";
import type { ValueParser } from "./values.js";

/** Adds an option whose text `parser` reads; its long flag names it in errors. */
export function addValue<T>(command: Command, flags: string, help: string, parser: ValueParser<T>,
  { mandatory = false } = {}): Command {
  const option = new Option(flags, help).makeOptionMandatory(mandatory);
  return command.addOption(option.argParser(parser(option.long ?? flags)));
}

/** `--json`. */
export function addJson(command: Command): Command {
  return command.option("--json", "one JSON event a line on standard output, nothing else");
}
