import { printableLines } from "./format.js";

/** The output of a command: text for people, or one JSON event per line. Control characters become spaces. */
export interface Output {
  readonly json: boolean;
  /** Whether standard output is a terminal that can redraw a line. */
  readonly interactive: boolean;
  /** A line for people on standard output; silent with `--json`. */
  line(text?: string): void;
  /** An event on standard output; silent without `--json`. */
  event(event: { readonly type: string; readonly [key: string]: unknown }): void;
  /** A line on standard error, with and without `--json`. */
  notice(text: string): void;
}

export function processOutput(json: boolean): Output {
  return {
    json,
    interactive: !json && process.stdout.isTTY,
    line(text = "") {
      if (!json) process.stdout.write(`${printableLines(text)}\n`);
    },
    event(event) {
      if (json) process.stdout.write(`${JSON.stringify(event)}\n`);
    },
    notice(text) {
      process.stderr.write(`${printableLines(text)}\n`);
    },
  };
}
