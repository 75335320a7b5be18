import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { expect } from "chai";
import { API } from "../../../../lib/worker/api.js";
import { API_TABLE } from "../../../../lib/worker/api-table.js";
import { ToCaller } from "../../../../lib/worker/protocol.js";
import { WorkerServer } from "../../../../lib/worker/server.js";
import { packageRoot } from "../../../../lib/install/layout.js";

interface Answer {
  readonly r?: unknown;
  readonly e?: { readonly code: string | null; readonly message: string };
}

describe("WorkerServer", () => {
  let sent: Answer[];
  let invalid: string[];
  let receive: (message: unknown) => void;
  beforeEach(() => {
    [sent, invalid] = [[], []];
    const channel = {
      post: (message: unknown) => {
        sent.push(ToCaller.parse(message) as Answer);
      },
      onMessage: (listener: typeof receive) => {
        receive = listener;
      },
    };
    new WorkerServer({
      table: API_TABLE,
      implementation: API,
      channel,
      onClose: () => undefined,
      onInvalid: ({ message }) => {
        invalid.push(message);
      },
    });
  });

  const notify = (name: string, ...args: unknown[]): void => {
    receive({ t: "q", m: name, a: args });
  };
  const ask = async (target: number | null, name: string, ...args: unknown[]): Promise<Answer> => {
    const before = sent.length;
    receive({ t: "q", m: "call", a: [1, target, name, args, []], i: "id" });
    while (sent.length === before) {
      if (invalid.length > 0) throw new Error(`the server takes no such message: ${invalid.join()}`);
      await turn();
    }
    return sent.at(-1)!;
  };
  const errorOf = async (...call: Parameters<typeof ask>) => {
    const { e } = await ask(...call);
    if (e === undefined) throw new Error("expected an error, received a result");
    return e;
  };
  const createTensor = (handle: number, values: Float32Array, shape: number[]): void => {
    notify("create", handle, "Tensor", [values, shape, undefined]);
  };

  it("checks the arguments of each call", async () => {
    createTensor(-1, new Float32Array(2), [2]);
    expect(await errorOf(null, "exportStudent", 7, undefined, undefined)).to.deep.include({ code: "INVALID_ARGUMENT" })
      .and.property("message").match(/^invalid \[0\] in arguments of exportStudent: expected a string, received 7\./);
    expect((await errorOf(null, "createSession", { model: "first" })).message).to.match(
      /^invalid \[0\]\.model in arguments of createSession: expected a Model or a Detector, received "first"\./,
    );
    expect((await errorOf(-1, "item", "extra")).code).to.equal("INVALID_ARGUMENT");
  });

  it("serves the functions and methods of the table, and nothing else", async () => {
    createTensor(-1, new Float32Array(2), [2]);
    for (const [target, name] of [[null, "fetchDataset"], [null, "constructor"], [-1, "native"], [-1, "dispose"], [-1,
      "toString"]] as const) {
      expect(await errorOf(target, name)).to.deep.include({ code: "INVALID_ARGUMENT" }).and.property("message").include(
        `received "${name}"`,
      );
    }
  });

  it("knows no handle that it did not send, and none that was released", async () => {
    expect((await errorOf(7, "toTypedArray")).code).to.equal("DISPOSED");
    createTensor(-1, new Float32Array(2), [2]);
    expect(await ask(-1, "toTypedArray")).to.deep.equal({ t: "s", i: "id", r: new Float32Array(2) });
    notify("release", -1, 1);
    expect((await errorOf(-1, "toTypedArray")).code).to.equal("DISPOSED");
  });

  it("refuses a handle of another class", async () => {
    createTensor(-1, new Float32Array(2), [2]);
    const { code, message } = await errorOf(null, "createSession", { model: { kind: "Model", handle: -1 } });
    expect([code, message]).to.deep.equal(["INVALID_ARGUMENT",
      "invalid handle -1: expected a Model, received a Tensor."]);
  });

  it("answers each use of a tensor that could not be created with the error", async () => {
    createTensor(-1, new Float32Array(2), [3]);
    createTensor(-2, "values" as never, [3]);
    await turn();
    expect((await errorOf(-1, "toTypedArray")).code).to.equal("SHAPE_MISMATCH");
    expect((await errorOf(-2, "toTypedArray")).code).to.equal("INVALID_ARGUMENT");
  });

  it("does not act on an invalid message", async () => {
    const messages = [
      { type: "gibberish" },
      { t: "q", m: "constructor", a: [] },
      { t: "q", m: "end", a: [] },
      { t: "q", m: "call", a: [1, "first", "item", [], []], i: "id" },
      { t: "q", m: "create", a: [1, "Tensor", []] },
      { t: "q", m: "abort", a: [-1] },
      { t: "q", m: "close", a: [], extra: 1 },
      null,
    ];
    for (const message of messages) receive(message);
    await turn();
    expect(invalid).to.have.lengthOf(messages.length);
    expect(sent).to.have.lengthOf(1);
  });

  it("exits where it receives an invalid message", async () => {
    const child = fork(join(packageRoot(), "dist", "worker", "main.js"), [], { execArgv: [],
      env: { ...process.env, NODE_OPTIONS: "" }, stdio: ["ignore", "ignore", "pipe", "ipc"],
      serialization: "advanced" });
    let complaint = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    await once(child, "message");
    child.send({ type: "gibberish" });
    const [code] = (await once(child, "close")) as [number];
    expect(code).to.equal(1);
    expect(complaint).to.match(/message: .*expected/s);
  });
});
