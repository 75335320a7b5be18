// docs/errors.md: the error codes by the comments of lib/errors.ts, where they are thrown, and the exit codes.
import { describeError, EXIT } from "../../lib/cli/errors.js";
import { ERROR_CODES, ReviewKdError, type ErrorCode } from "../../lib/errors.js";
import { BuildError } from "../support/errors.js";
import type { Source } from "./environment.js";

/** @throws BuildError UNDESCRIBED if a code has no comment of two sentences, or an exit code none. */
export function errorsPage(sources: readonly Source[]): string {
  const codes = ERROR_CODES.map((code) => {
    const row = commentAbove(`"${code}",`, "lib/errors.ts", sources).replace(". ", ". | ");
    if (!row.includes(" | ")) throw new BuildError("UNDESCRIBED", `lib/errors.ts: say what to do about ${code}.`);
    const { exitCode } = describeError(new ReviewKdError(code, ""));
    return `| \`${code}\` | ${row} | ${placesOf(code, sources)} | ${exitCode} |\n`;
  });
  const exits = Object.entries(EXIT).map(([name, code]) =>
    `| ${code} | ${commentAbove(`${name}: ${code},`, "lib/cli/errors.ts", sources)} |\n`
  );
  return `# Errors

Every failure is a \`ReviewKdError\`: \`code\` for programs, and a message that says what was expected, what was received and what to do; \`valid\` lists the
accepted names, if there is such a list; \`stack\` names the function of your program that made the call, also where native code, a file or a worker
found the error later on. The list of codes is closed, so that a \`switch\` over \`error.code\` can be exhaustive. \`npm run docs\` makes this page
from [\`lib/errors.ts\`](../lib/errors.ts).

| code | meaning | what to do | thrown in | exit code |
|---|---|---|---|---|
${codes.join("")}
## Exit codes of the command line

| exit code | meaning |
|---|---|
${exits.join("")}`;
}

function commentAbove(code: string, path: string, sources: readonly Source[]): string {
  const text = sources.find((source) => source.path === path)?.text ?? "";
  const comment = /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*$/.exec(text.slice(0, text.indexOf(`\n  ${code}\n`)))?.[1];
  if (comment === undefined) throw new BuildError("UNDESCRIBED", `${path}: no comment above ${code} What is it?`);
  return comment.replace(/\s+(?:\* )?/g, " ").trim();
}

/** The folders of the files that create such an error, those of `native/core` by their name alone. */
function placesOf(code: ErrorCode, sources: readonly Source[]): string {
  const name = code.toLowerCase().replace(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase());
  const created = new RegExp(`"${code}"(?<!(?:=== |case )"\\w+")|ErrorCode::k${name}\\b`);
  const paths = sources.filter(({ text }) => created.test(text)).map(({ path }) => path);
  return ["lib", "native"].flatMap((root) => {
    const folder = new RegExp(`^${root}/(?:core/)?(?!core/|tests/)(\\w+)/(?!errors?\\.)`);
    const names = new Set(paths.flatMap((path) => folder.exec(path)?.[1] ?? []));
    return names.size === 0 ? [] : [`\`${root}\`: ${[...names].sort().join(", ")}`];
  }).join("; ");
}
