// Finds phrases and names that words.json replaces, in any kind of source or documentation.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * @typedef {object} Rule
 * @property {string} pattern
 * @property {string} write the replacement, for the report
 * @property {"cpp" | "comment starts"} [in] the only place where the rule holds
 * @property {boolean} [case] whether case matters in a phrase; it always does in a name
 *
 * @typedef {object} Finding
 * @property {number} line from 1
 * @property {string} found
 * @property {string} write
 */

/** @type {{ phrases: Rule[], names: Rule[] }} */
const { phrases, names } = JSON.parse(readFileSync(join(import.meta.dirname, "words.json"), "utf8"));
const RULES = [
  ...phrases.map((rule) => ({ ...rule, expression: new RegExp(rule.pattern, rule.case === true ? "g" : "gi") })),
  ...names.map((rule) => ({ ...rule, expression: new RegExp(`(?<!\\w|\\w-)(?:${rule.pattern})(?!\\w)`, "g") })),
];
const CPP = /\.(?:cpp|h|cu|cuh|inl)$/;
/** Space, then the sign that opens or continues a comment, then its text; code before it is the first group. */
const COMMENT = /^(.*?)(?:\/\/+|\/\*+|(?<=^\s*)\*(?!\/)|(?<=^|\s)#(?!!))\s*(.*)$/;

/**
 * @param {string} path decides which rules hold
 * @param {string} text
 * @returns {Finding[]}
 */
export function findWords(path, text) {
  /** @type {Finding[]} */
  const findings = [];
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

/**
 * For each line the text of the comment that begins there.
 *
 * @param {readonly string[]} lines
 * @returns {(string | undefined)[]}
 */
function commentStarts(lines) {
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
