import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect } from "chai";
import { ToCaller, type CallName } from "../../../../lib/host/protocol.js";
import { Trainer } from "../../../../lib/host/trainer.js";
import { packageRoot } from "../../../../lib/install/layout.js";

describe("Trainer", () => {
  let said: ToCaller[];
  let trainer: Trainer;
  beforeEach(() => {
    said = [];
    trainer = new Trainer((message) => { said.push(ToCaller.parse(message)); });
  });

  const ask = async (name: CallName, request: unknown): Promise<ToCaller | undefined> => {
    await trainer.take({ type: "call", id: 1, name, request, reports: false });
    return said.at(-1);
  };
  const errorOf = async (name: CallName, request: unknown) => {
    const answer = await ask(name, request);
    if (answer?.type !== "error") throw new Error(`expected an error, got ${JSON.stringify(answer)}`);
    return answer.error;
  };

  it("checks each request", async () => {
    const { code, message } = await errorOf("position", { session: "first" });
    expect(code).to.equal("INVALID_ARGUMENT");
    expect(message).to.match(/invalid session in a request for position: expected .*, received "first"/);
  });

  it("knows no handle that it did not give, and none that was released", async () => {
    expect((await errorOf("toTypedArray", { tensor: 7 })).code).to.equal("DISPOSED");
    await ask("createTensor", { handle: -1, values: new Float32Array(2), shape: [2], dtype: "float32" });
    expect(await ask("toTypedArray", { tensor: -1 })).to.deep.equal({ type: "result", id: 1, value: new Float32Array(2) });
    await trainer.take({ type: "release", handle: -1 });
    expect((await errorOf("toTypedArray", { tensor: -1 })).code).to.equal("DISPOSED");
  });

  it("refuses a handle of another kind", async () => {
    await ask("createTensor", { handle: -1, values: new Float32Array(2), shape: [2], dtype: "float32" });
    const { code, message } = await errorOf("position", { session: -1 });
    expect([code, message]).to.deep.equal(["INVALID_ARGUMENT", "expected a Session for handle -1, got something else"]);
  });

  it("gives what a tensor could not be made for at each use of it", async () => {
    await ask("createTensor", { handle: -1, values: new Float32Array(2), shape: [3], dtype: "float32" });
    expect((await errorOf("toTypedArray", { tensor: -1 })).code).to.equal("SHAPE_MISMATCH");
  });

  it("ends where it hears what is no message", async () => {
    const child = fork(join(packageRoot(), "dist", "host", "main.js"), [], { execArgv: [], env: { ...process.env, NODE_OPTIONS: "" }, stdio: ["ignore", "ignore", "pipe", "ipc"], serialization: "advanced" });
    let complaint = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => { complaint += text; });
    await once(child, "message");
    child.send({ type: "gibberish" });
    const [code] = (await once(child, "close")) as [number];
    expect(code).to.equal(1);
    expect(complaint).to.match(/a message to the trainer: expected/);
  });
});
