import { expect } from "chai";
import { z } from "zod";
import { HandleTable } from "../../../../lib/worker/handle-table.js";
import { failureOf } from "../../../support/errors.js";

class Thing {
  readonly list: string[] = [];
  disposed = 0;

  [Symbol.dispose](): void {
    ++this.disposed;
  }
}

const TABLE = { classes: { Thing: { properties: { list: z.array(z.string()) }, live: ["list"], methods: {} } },
  constructors: {}, functions: {} };

describe("HandleTable", () => {
  let handles: HandleTable;
  let thing: Thing;
  beforeEach(() => {
    handles = new HandleTable(TABLE, { Thing });
    thing = new Thing();
  });

  it("gives an object one handle, and each object its own", () => {
    const reference = { kind: "Thing", handle: 1, state: { list: [] } };
    expect(handles.encode({ first: thing, again: [thing], other: new Thing() }))
      .to.deep.equal({ first: reference, again: [reference], other: { ...reference, handle: 2 } });
    expect(handles.get(1).value).to.equal(thing);
  });

  it("keeps an object until every handle that was sent is released, also one that is on its way", async () => {
    handles.encode([thing, thing]);
    handles.release(1, 1);
    expect(handles.get(1).value).to.equal(thing);
    handles.release(1, 1);
    await failureOf("DISPOSED", () => handles.get(1));
    expect(thing.disposed, "the garbage collector's business").to.equal(0);
  });

  it("disposes of an object at once when its caller does", async () => {
    handles.encode([thing, thing]);
    handles.release(1, null);
    handles.release(1, null);
    await failureOf("DISPOSED", () => handles.get(1));
    expect(thing.disposed).to.equal(1);
    expect(handles.encode(thing)).to.have.property("handle", 2);
  });

  it("takes a handle of the caller's once, with an object or the error of its creation", async () => {
    handles.holdAs(-1, "Thing", thing);
    await failureOf("INTERNAL", () => {
      handles.holdAs(-1, "Thing", new Thing());
    });
    handles.holdAs(-2, "Thing", new RangeError("too large"));
    expect(() => handles.get(-2)).to.throw(RangeError, "too large");
    await failureOf("INVALID_ARGUMENT", () => handles.get(-1, "Model"));
  });

  it("reports what was added to a list, once", () => {
    thing.list.push("sent");
    handles.encode(thing);
    thing.list.push("second", "third");
    expect([...handles.changes()]).to.deep.equal([{ handle: 1, property: "list", value: ["second", "third"] }]);
    expect([...handles.changes()]).to.deep.equal([]);
  });
});
