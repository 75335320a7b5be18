// The proxy on classes that only this test knows: a row is all that a method needs to be called from another process.
import { expect } from "chai";
import { z } from "zod";
import { ReviewKdError } from "../../../../lib/errors.js";
import { Connection } from "../../../../lib/worker/connection.js";
import type { Channel } from "../../../../lib/worker/protocol.js";
import type { Remote } from "../../../../lib/worker/remote-types.js";
import { WorkerServer } from "../../../../lib/worker/server.js";
import type { ClassRowOf, RowOf, Table } from "../../../../lib/worker/table.js";
import type { Transport } from "../../../../lib/worker/transport.js";
import { reference } from "../../../../lib/worker/values.js";
import { failureOf } from "../../../support/errors.js";

interface CountOptions {
  readonly to: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((count: number) => void) | undefined;
}

/** The counterpart of a network or a session. */
class Counter {
  readonly log: string[] = [];
  disposed = false;
  readonly values = new Float32Array([1, 2]);

  constructor(readonly name: string, readonly parent: Counter | undefined) {}

  parameterCount({ trainable = false }: { readonly trainable?: boolean } = {}): number {
    return trainable ? 2 : 3;
  }

  /** The method that was added last. */
  add(left: number, right: number): number {
    this.log.push(`${left} + ${right}`);
    return left + right;
  }

  child(name: string): Counter {
    return new Counter(name, this);
  }
  same(other: Counter): Counter {
    return other;
  }
  sum(values: Float32Array): number {
    return values.reduce((sum, value) => sum + value, 0);
  }
  take(): Float32Array {
    return this.values;
  }

  async count({ to, signal, onProgress }: CountOptions): Promise<number> {
    for (let count = 1; count <= to; ++count) {
      await new Promise(setImmediate);
      if (signal?.aborted === true) throw new ReviewKdError("ABORTED", `stopped at ${count}`);
      onProgress?.(count);
    }
    return to;
  }

  async *down(from: number): AsyncGenerator<{ readonly left: number; readonly by: Counter }, string, void> {
    try {
      for (let left = from; left > 0; --left) yield await Promise.resolve({ left, by: this });
      return "done";
    } finally {
      this.log.push("ended");
    }
  }

  [Symbol.dispose](): void {
    this.disposed = true;
  }
}

const Child = reference<Counter>("Counter");
const ROW = {
  properties: {
    name: z.string(),
    log: z.array(z.string()),
    disposed: z.boolean(),
    values: z.instanceof(Float32Array),
    parent: Child.optional(),
    parameterCount: z.tuple([z.int(), z.int()]),
  },
  live: ["log"],
  methods: {
    add: { args: [z.number(), z.number()], result: z.number() },
    child: { args: [z.string()], result: Child },
    same: { args: [Child], result: Child },
    sum: { args: [z.instanceof(Float32Array)], result: z.number() },
    take: { args: [], result: z.instanceof(Float32Array), transfer: true },
    count: { args: [z.looseObject({ to: z.number() })], signal: true, callbacks: { onProgress: z.number() },
      result: z.number() },
    down: { args: [z.number()], item: z.strictObject({ left: z.number(), by: Child }), result: z.string() },
  },
} satisfies ClassRowOf<Counter>;

const createCounter = (name: string): Counter => new Counter(name, undefined);
const TABLE = {
  classes: { Counter: ROW },
  constructors: {},
  functions: { createCounter: { args: [z.string()], result: Child } satisfies RowOf<typeof createCounter> },
} satisfies Table;

/** {@link Counter} as the API's classes are with a worker. */
type RemoteCounter = {
  [Key in keyof Remote<Counter>]: Key extends "child" | "same" ? (...args: never[]) => Promise<RemoteCounter>
    : Remote<Counter>[Key];
};

/** Both sides in this process. Messages are cloned and buffers transferred, as between threads. */
function join(created: Counter[]): Connection {
  const listeners: Record<"caller" | "worker", (message: unknown) => void> = { caller: () => undefined,
    worker: () => undefined };
  const side = (own: keyof typeof listeners, other: keyof typeof listeners): Channel => ({
    post: (message, transfer) => {
      const cloned: unknown = structuredClone(message, { transfer });
      setImmediate(() => {
        listeners[other](cloned);
      });
    },
    onMessage: (listener) => {
      listeners[own] = listener;
    },
  });
  const transport: Transport = { ...side("caller", "worker"), transfers: true, onExit: () => undefined,
    keepAlive: () => undefined, kill: () => undefined };
  const connection = new Connection(transport, TABLE);
  const create = (name: string): Counter => {
    const counter = createCounter(name);
    created.push(counter);
    return counter;
  };
  new WorkerServer({
    table: TABLE,
    implementation: { classes: { Counter }, constructors: {}, functions: { createCounter: create } },
    channel: side("worker", "caller"),
    onClose: () => undefined,
    onInvalid: (error) => {
      throw error;
    },
  });
  return connection;
}

describe("the proxy of a worker", () => {
  let created: Counter[];
  let counter: RemoteCounter;
  beforeEach(async () => {
    created = [];
    counter = await (join(created).functions()["createCounter"]!("first") as Promise<RemoteCounter>);
  });

  it("calls a method that has a row and nothing else", async () => {
    expect(await counter.add(1, 2)).to.equal(3);
    expect(created[0]!.log).to.deep.equal(["1 + 2"]);
    expect(Object.getPrototypeOf(counter)).to.have.property("constructor").with.property("name", "RemoteCounter");
  });

  it("has errors whose stack names the caller's function, and whose cause has the worker's", async () => {
    const error = await failureOf("INVALID_ARGUMENT", function myFunction () {
      return counter.add("1" as never, 2);
    });
    expect(error.stack).to.match(/\n +at myFunction \(/);
    expect((error.cause as Error).stack).to.include("WorkerServer").and.not.include("myFunction");
    const { stack } = await failureOf("INVALID_ARGUMENT", async function myLoop () {
      for await (const item of counter.down("1" as never)) expect(item).to.equal(undefined);
    });
    expect(stack).to.match(/\n +at (?:async )?myLoop \(/);
  });

  it("does not compile without the row, or with another result", () => {
    const { child, same, sum, take, count, down, add } = ROW.methods;
    // @ts-expect-error add has no row
    const lacking: ClassRowOf<Counter>["methods"] = { child, same, sum, take, count, down };
    // @ts-expect-error add returns a number
    const other: RowOf<Counter["add"]> = { ...add, result: z.string() };
    // @ts-expect-error add has two parameters
    const short: RowOf<Counter["add"]> = { ...add, args: [z.number()] };
    // @ts-expect-error count takes a signal
    const deaf: RowOf<Counter["count"]> = { args: count.args, callbacks: count.callbacks, result: z.number() };
    // @ts-expect-error count takes a callback
    const silent: RowOf<Counter["count"]> = { args: count.args, signal: true, result: z.number() };
    expect([lacking, other, short, deaf, silent]).to.have.lengthOf(5);
  });

  it("checks arguments and refuses what the table does not have", async () => {
    expect((await failureOf("INVALID_ARGUMENT", () => counter.add("1" as never, 2))).message).to.match(
      /invalid \[0\] in arguments of add: expected a finite number, received "1"/,
    );
    expect(counter).not.to.have.property("native");
  });

  it("sends properties along, and what is added to a list when it is added", async () => {
    expect([counter.name, counter.log, counter.parent]).to.deep.equal(["first", [], undefined]);
    expect([counter.parameterCount(), counter.parameterCount({ trainable: true })]).to.deep.equal([3, 2]);
    await counter.add(1, 2);
    await counter.add(3, 4);
    expect(counter.log).to.deep.equal(["1 + 2", "3 + 4"]);
  });

  it("keeps the identity of objects in arguments, results and properties", async () => {
    const child = await counter.child("second" as never);
    expect(child).not.to.equal(counter);
    expect(child.parent).to.equal(counter);
    expect(await counter.same(child as never)).to.equal(child);
  });

  it("copies the buffers of arguments and hands over those of results", async () => {
    const values = new Float32Array([1, 2, 3, 4]);
    expect(await counter.sum(values.subarray(1, 3))).to.equal(5);
    expect(values).to.deep.equal(new Float32Array([1, 2, 3, 4]));
    expect(await counter.take()).to.deep.equal(new Float32Array([1, 2]));
    expect(created[0]!.values.byteLength, "handed over").to.equal(0);
  });

  it("reports progress, and stops on a signal and on an error of the callback", async () => {
    const counts: number[] = [];
    expect(await counter.count({ to: 3, onProgress: (count) => {
      counts.push(count);
    } })).to.equal(3);
    expect(counts).to.deep.equal([1, 2, 3]);
    const controller = new AbortController();
    await failureOf("ABORTED", () =>
      counter.count({ to: 1e6, signal: controller.signal, onProgress: () => {
        controller.abort();
      } }));
    const failure: unknown = await counter.count({ to: 1e6, onProgress: () => {
      throw new RangeError("full");
    } }).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(RangeError).with.property("message", "full");
  });

  it("requests each item of a generator, returns what it returns, and ends it early", async () => {
    const left: number[] = [];
    const items = counter.down(2);
    for (;;) {
      const next = await items.next();
      if (next.done === true) {
        expect(next.value).to.equal("done");
        break;
      }
      left.push(next.value.left);
      expect(next.value.by).to.equal(counter);
    }
    expect(left).to.deep.equal([2, 1]);
    for await (const { left: first } of counter.down(9)) {
      expect(first).to.equal(9);
      break;
    }
    expect(counter.log).to.deep.equal(["ended"]);
    expect(created[0]!.log).to.deep.equal(["ended", "ended"]);
  });

  it("disposes of the object with its remote object", async () => {
    const other = await counter.child("other" as never);
    counter[Symbol.dispose]();
    await failureOf("DISPOSED", () => counter.add(1, 2));
    await failureOf("DISPOSED", () => other.same(counter as never));
    expect(await other.add(1, 2)).to.equal(3);
    expect(created[0]!.disposed).to.equal(true);
  });
});
