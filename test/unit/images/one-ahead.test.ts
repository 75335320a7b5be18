import { setImmediate } from "node:timers/promises";
import { expect } from "chai";
import { oneAhead } from "../../../lib/images/one-ahead.js";

describe("one item ahead", () => {
  it("yields all items in order, each while the next one is requested", async () => {
    const log: string[] = [];
    async function* source(): AsyncGenerator<number, void> {
      for (const item of [1, 2, 3]) {
        log.push(`made ${item}`);
        await setImmediate();
        yield item;
      }
    }
    for await (const item of oneAhead(source())) log.push(`used ${item}`);
    expect(log).to.deep.equal(["made 1", "made 2", "used 1", "made 3", "used 2", "used 3"]);
  });

  it("throws an error after the items before it", async () => {
    async function* source(): AsyncGenerator<number, void> {
      yield 1;
      await setImmediate();
      throw new Error("broken");
    }
    const seen: number[] = [];
    let message = "";
    try {
      for await (const item of oneAhead(source())) {
        await setImmediate();
        await setImmediate();
        seen.push(item);
      }
    } catch (error) {
      message = (error as Error).message;
    }
    expect([seen, message]).to.deep.equal([[1], "broken"]);
  });

  it("ends the source when its reader stops", async () => {
    let ended = false;
    async function* source(): AsyncGenerator<number, void> {
      try {
        for (let item = 0;; ++item) {
          await setImmediate();
          yield item;
        }
      } finally {
        ended = true;
      }
    }
    for await (const item of oneAhead(source())) if (item === 2) break;
    expect(ended).to.equal(true);
  });
});
