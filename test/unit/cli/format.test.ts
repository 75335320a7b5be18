import { expect } from "chai";
import { escaped, formatBytes, formatCount, formatDuration, formatLoss, formatPercent, formatResult, formatTimeLeft,
  printable, wrapList } from "../../../lib/cli/display/format.js";
import { renderTable } from "../../../lib/cli/display/table.js";

describe("cli/format", () => {
  it("groups digits in thousands", () => {
    expect(formatCount(1234567)).to.equal("1,234,567");
  });

  it("writes durations in the two largest units", () => {
    expect([3.21, 59.6, 75, 3599.7, 7300, Number.POSITIVE_INFINITY].map(formatDuration))
      .to.deep.equal(["3.2s", "1m00s", "1m15s", "1h00m", "2h01m", "?"]);
  });

  it("estimates the time left from what is done, and not before", () => {
    const work = { startedAt: 1000, done: 2, total: 8 };
    expect(formatTimeLeft(work, 11_000)).to.equal(", 30s left");
    expect(formatTimeLeft({ ...work, done: 0 }, 11_000)).to.equal("");
  });

  it("replaces control characters of untrusted text", () => {
    expect(printable("cat\u001b[31m\u0007 é\u200b")).to.equal("cat [31m  é ");
  });

  it("writes control characters of names as JSON does", () => {
    expect(escaped("fast\ncar\t\u001b[2J é")).to.equal(String.raw`fast\ncar\t\u001b[2J é`);
  });

  it("keeps significant digits of very small and large losses", () => {
    expect([0, 2.30258, 0.00004, 1234567].map(formatLoss)).to.deep.equal(["0.0000", "2.3026", "4.00e-5", "1.23e+6"]);
  });

  it("writes percentages with one decimal and bytes in binary units", () => {
    expect(formatPercent(68.26)).to.equal("68.3");
    expect([512, 2048, 169_001_437].map(formatBytes)).to.deep.equal(["512 B", "2.0 KiB", "161.2 MiB"]);
  });

  it("says where there was nothing to measure", () => {
    expect([-1, 0, 0.25].map((value) => formatResult({ unit: "" }, value))).to.deep.equal(["no such objects", "0.0000",
      "0.2500"]);
  });

  it("breaks lists of words into lines", () => {
    expect(wrapList(["plain disc", "ring", "star", "a-word-that-is-too-long"], 16)).to.equal(
      "plain disc,\nring, star,\na-word-that-is-too-long",
    );
    expect(wrapList([], 16)).to.equal("");
  });

  it("aligns the columns of a table, without colours", () => {
    const lines = renderTable(["name", "n"], [["a", "1"], ["b", "1000"]], ["n"]).split("\n");
    expect(lines[1]).to.equal("│ name │    n │");
    expect(lines.slice(3, 5)).to.deep.equal(["│ a    │    1 │", "│ b    │ 1000 │"]);
    expect(lines.join("")).to.not.include("\u001b");
  });
});
