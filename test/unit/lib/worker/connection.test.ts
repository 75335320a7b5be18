import { setImmediate as turn } from "node:timers/promises";
import { expect } from "chai";
import { API_TABLE } from "../../../../lib/worker/api-table.js";
import { Connection } from "../../../../lib/worker/connection.js";
import { PROTOCOL } from "../../../../lib/worker/protocol.js";
import type { ExitStatus, Transport } from "../../../../lib/worker/transport.js";
import { failureOf } from "../../../support/errors.js";
import { CLASSIFICATION } from "../../../support/tasks.js";

interface Posted {
  readonly m: string;
  readonly a: readonly unknown[];
  readonly i?: string;
}

/** A worker that sends what a test makes it send. */
class Scripted implements Transport {
  readonly transfers = false;
  readonly received: Posted[] = [];
  readonly kept: boolean[] = [];
  #send: ((message: unknown) => void) | undefined;
  #exit: ((status: ExitStatus) => void) | undefined;

  post(message: unknown): void {
    this.received.push(message as Posted);
  }
  onMessage(listener: (message: unknown) => void): void {
    this.#send = listener;
  }
  onExit(listener: (status: ExitStatus) => void): void {
    this.#exit = listener;
  }
  keepAlive(wanted: boolean): void {
    this.kept.push(wanted);
  }
  kill(): void {
    this.exit({ exitCode: null, signal: "SIGKILL" });
  }
  send(message: unknown): void {
    this.#send?.(message);
  }
  exit(status: ExitStatus): void {
    this.#exit?.(status);
  }
  notify(name: string, ...args: unknown[]): void {
    this.send({ t: "q", m: name, a: args });
  }
  /** Answers the last call. */
  answer(result: object): void {
    this.send({ t: "s", i: this.received.findLast(({ i }) => i !== undefined)!.i, ...result });
  }
}

describe("Connection", () => {
  let worker: Scripted;
  let connection: Connection;
  beforeEach(() => {
    worker = new Scripted();
    connection = new Connection(worker, API_TABLE);
  });

  const call = (name: string, ...args: unknown[]): Promise<unknown> =>
    connection.functions()[name]!(...args) as Promise<unknown>;
  const FACTS = { name: "resnet8", numClasses: 4, dtype: "float32", device: "cpu", untrained: false,
    parameterCount: [9, 8], task: CLASSIFICATION, classNames: null, loadReport: null,
    preprocessing: { imageSize: [32, 32], resizeSize: 32, normalization: { mean: [0, 0, 0], std: [1, 1, 1] },
      assumed: [] } };
  const model = async (): Promise<Record<"device", string>> => {
    const created = call("createModel", "resnet8");
    worker.answer({ r: { kind: "Model", handle: 1, state: FACTS } });
    return await created as Record<"device", string>;
  };

  it("is ready when the worker says so in the same protocol", async () => {
    worker.notify("ready", PROTOCOL, 5);
    expect(await connection.ready).to.equal(5);
  });

  it("refuses a worker of another protocol", async () => {
    worker.notify("ready", PROTOCOL + 1, 5);
    expect((await failureOf("INTERNAL", () => connection.ready)).message).to.include(
      `expected protocol ${PROTOCOL}, received protocol ${PROTOCOL + 1}`,
    );
  });

  it("keeps the process alive while an answer is awaited, and no longer", async () => {
    const answer = call("exportStudent", "runs/first");
    expect(worker.received).to.have.lengthOf(1);
    expect(worker.received[0]).to.deep.include({ t: "q", m: "call",
      a: [1, null, "exportStudent", ["runs/first", undefined, undefined], []] });
    worker.answer({ r: "runs/first/student-last.safetensors" });
    expect(await answer).to.equal("runs/first/student-last.safetensors");
    expect(worker.kept).to.deep.equal([true, false]);
  });

  it("checks each answer against the row of its call", async () => {
    const answer = call("exportStudent", "runs/first");
    worker.answer({ r: 7 });
    expect((await failureOf("INVALID_ARGUMENT", () => answer)).message).to.match(
      /invalid answer to exportStudent: expected a string, received 7/,
    );
  });

  it("checks the class of each object, and its properties", async () => {
    const [another, wrong] = [call("createModel", "resnet8"), { kind: "Session", handle: 1, state: {} }];
    worker.answer({ r: wrong });
    expect((await failureOf("INVALID_ARGUMENT", () => another)).message).to.match(
      /answer to createModel: expected a Model/,
    );
    const incomplete = call("createModel", "resnet8");
    worker.answer({ r: { kind: "Model", handle: 1, state: { ...FACTS, numClasses: 0 } } });
    expect((await failureOf("INVALID_ARGUMENT", () => incomplete)).message).to.match(
      /invalid numClasses in Model: expected .*, received 0/,
    );
  });

  it("ends a worker that sends an invalid message, and rejects what waits for it", async () => {
    for (const message of [{ type: "gibberish" }, { t: "q", m: "constructor", a: [] }, { t: "q", m: "callback",
      a: ["1", "onProgress", 2] }, { t: "s", i: 1, r: 2 }]) {
      const scripted = new Scripted();
      const other = new Connection(scripted, API_TABLE);
      const answer = other.functions()["listModels"]!() as Promise<unknown>;
      scripted.send(message);
      expect((await failureOf("WORKER_EXITED", () => answer)).message).to.include("it sent an invalid message");
      expect((await other.exited).signal).to.equal("SIGKILL");
    }
  });

  it("passes a signal on while a call waits, and not afterwards", async () => {
    const controller = new AbortController();
    const options = { teacher: "resnet56", student: "resnet20", signal: controller.signal };
    const answer = call("explainPair", options);
    expect(worker.received[0]?.a[3]).to.deep.equal([{ teacher: "resnet56", student: "resnet20" }]);
    controller.abort();
    expect(worker.received.at(-1)).to.deep.equal({ t: "q", m: "abort", a: [1] });
    worker.answer({ e: { code: "ABORTED", message: "stopped", valid: [] } });
    await failureOf("ABORTED", () => answer);
    await failureOf("ABORTED", () => call("explainPair", options));
    expect(worker.received).to.have.lengthOf(2);
  });

  it("gives an object that it knows for a handle that it receives again", async () => {
    const [first, second] = [await model(), await model()];
    expect(second).to.equal(first);
  });

  it("follows properties that change", async () => {
    const created = await model();
    worker.notify("update", 1, "device", "cuda");
    await turn();
    expect(created.device).to.equal("cuda");
    // Of an object that was released meanwhile.
    worker.notify("update", 2, "device", "cuda");
    await turn();
  });

  it("sends no function", async () => {
    const error = await failureOf("INVALID_ARGUMENT", () => call("createModel", "resnet8", { seed: () => 1 }));
    expect(error.message).to.include("expected data that can be sent to the worker, received a function");
    expect(worker.received).to.deep.equal([]);
  });
});
