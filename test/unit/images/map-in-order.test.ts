import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { mapInOrder } from "../../../lib/images/map-in-order.js";

describe("mapInOrder", () => {
  it("yields in the order of the items, however long each takes", async () => {
    const results: number[] = [];
    for await (const result of mapInOrder([9, 1, 5, 0, 3], 3, async (item) => {
      await setTimeout(item);
      return item;
    })) results.push(result);
    expect(results).to.deep.equal([9, 1, 5, 0, 3]);
  });

  it("has at most the given number in progress, and that many while there is work", async () => {
    let [now, most] = [0, 0];
    const work = async (item: number): Promise<number> => {
      most = Math.max(most, ++now);
      await setTimeout(1);
      --now;
      return item;
    };
    for await (const item of mapInOrder(Array.from({ length: 20 }, (_, index) => index), 4, work))
      expect(item).to.be.at.least(0);
    expect(most).to.equal(4);
  });

  it("takes no further item until its results are requested", async () => {
    let taken = 0;
    const items = (function* () {
      for (;;) yield ++taken;
    })();
    const results = mapInOrder(items, 3, (item) => Promise.resolve(item));
    expect((await results.next()).value).to.equal(1);
    await setTimeout(5);
    expect(taken).to.equal(3);
    await results.return();
  });

  it("throws an error when its turn comes, and waits for work in progress", async () => {
    const ended: number[] = [];
    const results: number[] = [];
    const work = async (item: number): Promise<number> => {
      await setTimeout(item === 1 ? 0 : 5);
      ended.push(item);
      if (item === 1) throw new Error("one");
      return item;
    };
    let message = "";
    try {
      for await (const result of mapInOrder([0, 1, 2], 3, work)) results.push(result);
    } catch (error) {
      message = (error as Error).message;
    }
    expect([message, results, ended]).to.deep.equal(["one", [0], [1, 0, 2]]);
  });
});
