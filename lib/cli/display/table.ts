import Table from "cli-table3";

/** Renders a bordered table without colours or lines between rows; columns named in `right` are right-aligned. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[],
  right: readonly string[] = []): string {
  const table = new Table({
    head: [...head],
    colAligns: head.map((column) => (right.includes(column) ? "right" : "left")),
    style: { head: [], border: [] },
  });
  table.push(...rows.map((row) => [...row]));
  // The library draws a line after every row, including the header, or after none.
  const underHead = 2;
  return table.toString().split("\n").filter((line, index) => index === underHead || !line.startsWith("├")).join("\n");
}
