import Table from "cli-table3";

/** A bordered table without colours and without lines between its rows; columns named in `right` are aligned to the right. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[], right: readonly string[] = []): string {
  const table = new Table({
    head: [...head],
    colAligns: head.map((column) => (right.includes(column) ? "right" : "left")),
    style: { head: [], border: [] },
  });
  table.push(...rows.map((row) => [...row]));
  // The library draws a line after every row or after none, the head included.
  const underHead = 2;
  return table.toString().split("\n").filter((line, index) => index === underHead || !line.startsWith("├")).join("\n");
}
