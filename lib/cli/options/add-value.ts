import { Option, type Command } from "commander";
import { processOutput, type Output } from "../display/output.js";
import type { ValueParser } from "./values.js";

/** Adds an option whose text `parser` reads; its long flag names it in errors. */
export function addValue<T>(command: Command, flags: string, help: string,
  parser: ValueParser<T> | ((option: string) => (text: string, earlier: T) => T), { mandatory = false } = {}): Command {
  const option = new Option(flags, help).makeOptionMandatory(mandatory);
  return command.addOption(option.argParser(parser(option.long ?? flags)));
}

/** Adds `--json`, and runs `action` with the output that it selects and what commander passes. */
export function addAction(command: Command, action: (output: Output, ...args: never[]) => Promise<void> | void): void {
  command.option("--json", "one JSON event a line on standard output, nothing else").action((...args: unknown[]) =>
    action(processOutput(command.opts()["json"] === true), ...args as never[])
  );
}
