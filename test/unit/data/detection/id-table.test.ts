import { expect } from "chai";
import { IdTable } from "../../../../lib/datasets/detection/id-table.js";

describe("id table", () => {
  const IDS = [0, 1, -1, 7, 2 ** 32, 2 ** 32 + 7, -(2 ** 40), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];

  it("finds each id with its index, and no other", () => {
    const table = new IdTable(IDS.length);
    for (const [index, id] of IDS.entries()) expect(table.add(id, index), String(id)).to.equal(undefined);
    expect(IDS.map((id) => table.get(id))).to.deep.equal([...IDS.keys()]);
    expect([2, 8, 2 ** 33, -7].map((id) => table.get(id))).to.deep.equal(Array(4).fill(undefined));
  });

  it("returns the index of an id that it has, and keeps it", () => {
    const table = new IdTable(2);
    table.add(5, 0);
    expect([table.add(5, 1), table.get(5)]).to.deep.equal([0, 0]);
  });

  it("can be empty", () => {
    expect(new IdTable(0).get(0)).to.equal(undefined);
  });
});
