import Table from "cli-table3";

/** Narrower than this, the last column of a table is hard to read. */
const NARROWEST = 20;

/** Border and spaces around the text of a column. */
const FRAME = 3;

/**
 * Renders a bordered table without colours or lines between rows; columns named in `right` are right-aligned.
 *
 * @param width - Columns of text that the whole table takes at most: words of the last column are wrapped.
 */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[],
  right: readonly string[] = [], width = Infinity): string {
  const widest = (column: number): number => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0));
  const last = head.length - 1;
  const others = head.slice(0, last).reduce((sum, _, column) => sum + widest(column) + FRAME, 0);
  const left = Math.max(NARROWEST, width - others - FRAME - 1);
  const table = new Table({
    ...(widest(last) > left && { colWidths: [...head.slice(0, last).map(() => null), left + 2], wordWrap: true }),
    head: [...head],
    colAligns: head.map((column) => (right.includes(column) ? "right" : "left")),
    style: { head: [], border: [] },
  });
  table.push(...rows.map((row) => [...row]));
  // The library draws a line after every row, including the header, or after none.
  const underHead = 2;
  return table.toString().split("\n").filter((line, index) => index === underHead || !line.startsWith("├")).join("\n");
}
