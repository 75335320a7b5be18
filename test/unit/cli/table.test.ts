import { expect } from "chai";
import { renderTable } from "../../../lib/cli/display/table.js";

describe("cli/table", () => {
  const rows = [["a", "1", "a remark of several words that is longer than the rest of its line has room for"]];

  it("wraps words of the last column to a width", () => {
    const lines = renderTable(["field", "value", "remark"], rows, [], 60).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).to.equal(60);
    expect(lines.join(" ")).to.include("room for");
    expect(lines.filter((line) => line.includes("│ a "))).to.have.length(1);
  });

  it("is as wide as its content otherwise", () => {
    const narrow = [["a", "1", "b"]];
    expect(renderTable(["field", "value", "remark"], narrow, [], 60)).to.equal(
      renderTable(["field", "value", "remark"], narrow),
    );
  });
});
