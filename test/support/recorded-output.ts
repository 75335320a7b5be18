import type { Output } from "../../lib/cli/display/output.js";

/** An output that keeps what is written to it, and a clock. */
export interface RecordedOutput {
  readonly output: Output;
  readonly lines: string[];
  readonly notices: string[];
  readonly events: object[];
}

export function recordedOutput(): RecordedOutput {
  const [lines, notices, events]: [string[], string[], object[]] = [[], [], []];
  const output: Output = {
    json: false,
    interactive: false,
    line: (text = "") => {
      lines.push(text);
    },
    event: (event) => {
      events.push(event);
    },
    notice: (text) => {
      notices.push(text);
    },
  };
  return { output, lines, notices, events };
}
