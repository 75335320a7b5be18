// Finds phrases and names that words.json replaces, in any kind of source or documentation.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Rule {
  pattern: string;
  /** The replacement, for the report. */
  write: string;
  /** The only place where the rule holds. */
  in?: "cpp" | "comment starts";
  /** Whether case matters in a phrase; it always does in a name. */
  case?: boolean;
}

const { phrases, names } = JSON.parse(readFileSync(join(import.meta.dirname, "words.json"), "utf8")) as {
  phrases: Rule[];
  names: Rule[];
};
const RULES = [
  ...phrases.map((rule) => ({ ...rule, expression: new RegExp(rule.pattern, rule.case === true ? "g" : "gi") })),
  ...names.map((rule) => ({ ...rule, expression: new RegExp(`(?<!\\w|\\w-)(?:${rule.pattern})(?!\\w)`, "g") })),
];
const CPP = /\.(?:cpp|h|cu|cuh|inl)$/;
/** Space, then the sign that opens or continues a comment, then its text; code before it is the first group. */
const COMMENT = /^(.*?)(?:\/\/+|\/\*+|(?<=^\s*)\*(?!\/)|(?<=^|\s)#(?!!))\s*(.*)$/;

/** The findings in a file, whose path decides which rules hold. */
export function findWords(path: string, text: string): { line: number; found: string; write: string }[] {
  const findings: ReturnType<typeof findWords> = [];
  const lines = text.split("\n");
  const starts = path.endsWith(".md") ? [] : commentStarts(lines);
  for (const [index, line] of lines.entries()) {
    for (const { expression, write, in: place } of RULES) {
      if (place === "cpp" && !CPP.test(path)) continue;
      const searched = place === "comment starts" ? (starts[index] ?? "") : line;
      for (const [found] of searched.matchAll(expression)) findings.push({ line: index + 1, found, write });
    }
  }
  return findings;
}

/** For each line the text of the comment that begins there. */
function commentStarts(lines: readonly string[]): (string | undefined)[] {
  let isInside = false;
  return lines.map((line) => {
    const [, code, text] = COMMENT.exec(line) ?? [];
    if (code === undefined || text === undefined) {
      isInside = false;
      return undefined;
    }
    const continues = isInside && code.trim() === "";
    // A comment whose first line has no text, such as the opening of a block, begins on the next.
    isInside = code.trim() === "" && (continues || text !== "");
    return continues ? undefined : text;
  });
}
