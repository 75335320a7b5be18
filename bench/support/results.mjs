// Writes results.
import { writeFileSync } from "node:fs";

/** Writes bench/results/NAME + ending for each ending; the report itself as JSON. */
export function keepResults(name, report, contents) {
  const write = (ending, text) => writeFileSync(new URL(`../results/${name}${ending}`, import.meta.url), text);
  write(".json", `${JSON.stringify(report, null, 1)}\n`);
  for (const [ending, text] of Object.entries(contents)) write(ending, text);
}
