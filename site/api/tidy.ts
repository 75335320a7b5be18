// The text of a generated page, without what a reader does not need.

/** Omits where members are inherited from and defined, except for the page itself, and defaults that are not there. */
export function tidied(page: string): string {
  const [source] = /^Defined in: .*$/m.exec(page) ?? [];
  const text = page.replaceAll(/^Defined in: .*\n\n?/gm, "")
    .replaceAll(/^#+ (?:Inherited from|Overrides|Implementation of)\n\n`.*\n+/gm, "")
    .replaceAll(/^## (?:Extends|Extended by|Implements)\n\n(?:- .*\n)+\n?/gm, "")
    .replaceAll(/^(## Type Parameters\n\n\| Type Parameter \|\n.*\n(?:\| .* \|\n)+)/gm, "$1")
    .replaceAll(/^\|.*\|$/gm,
      (row) =>
        row.replaceAll(/(?<!\\)\| (?:`undefined`|`\.\.\.`|-) (?=\|)/g, "| ").replaceAll("| :------ ", "|---").replace(
          "Default value",
          "Default",
        ))
    .replaceAll(/^```ts\ntype .*\n```$/gm, (block) => block.replaceAll(" | { ", "\n  | { ").replace("= {", "=\n  | {"));
  return `${text.trimEnd()}\n${source === undefined ? "" : `\n<small>${asHtml(source)}</small>\n`}`;
}

function asHtml(line: string): string {
  return line.replace(/\[(.*)\]\((.*)\)/, '<a href="$2">$1</a>');
}
