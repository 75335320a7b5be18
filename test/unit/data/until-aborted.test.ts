import { expect } from "chai";
import { untilAborted } from "../../../lib/datasets/until-aborted.js";

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const taken: Item[] = [];
  for await (const item of items) taken.push(item);
  return taken;
}

/** Numbers from 1 on, and a log of whether `return` was called. */
function counter(end = Infinity): { items: AsyncIterable<number>; log: string[] } {
  const log: string[] = [];
  const items = (async function* () {
    try {
      for (let value = 1; value <= end; ++value) yield value;
    } finally {
      await Promise.resolve();
      log.push("returned");
    }
  })();
  return { items, log };
}

describe("untilAborted", () => {
  const never = new AbortController().signal;

  it("yields the items of an iterable, synchronous or not", async () => {
    expect(await all(untilAborted([1, 2, 3], never))).to.deep.equal([1, 2, 3]);
    expect(await all(untilAborted(counter(3).items, never))).to.deep.equal([1, 2, 3]);
  });

  it("rethrows the errors of an iterable", async () => {
    const failing = function* (): Generator<number> {
      yield 1;
      throw new RangeError("two");
    };
    let thrown: unknown;
    await all(untilAborted(failing(), never)).catch((error: unknown) => {
      thrown = error;
    });
    expect(thrown).to.be.instanceOf(RangeError);
  });

  it("ends at the next item after an abort, and waits until the iterable has returned", async () => {
    const controller = new AbortController();
    const { items, log } = counter();
    const taken: number[] = [];
    for await (const item of untilAborted(items, controller.signal)) {
      taken.push(item);
      if (item === 3) controller.abort();
    }
    expect([taken, log]).to.deep.equal([[1, 2, 3], ["returned"]]);
  });

  it("ends while waiting for an item that never arrives", async () => {
    const controller = new AbortController();
    let returned = false;
    const stuck: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => undefined),
        return: () => {
          returned = true;
          return new Promise<never>(() => undefined);
        },
      }),
    };
    const taken = all(untilAborted(stuck, controller.signal));
    await Promise.resolve();
    controller.abort();
    expect([await taken, returned]).to.deep.equal([[], true]);
  });

  it("calls the iterable's return when its consumer has had enough", async () => {
    const { items, log } = counter();
    for await (const item of untilAborted(items, never)) if (item === 2) break;
    expect(log).to.deep.equal(["returned"]);
  });

  it("requests nothing from an aborted iterable", async () => {
    const { items, log } = counter();
    expect(await all(untilAborted(items, AbortSignal.abort()))).to.deep.equal([]);
    expect(log).to.deep.equal([]);
  });
});
