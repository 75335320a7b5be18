import { expect } from "chai";
import { Connection } from "../../../../lib/host/connection.js";
import { PROTOCOL, type ToTrainer } from "../../../../lib/host/protocol.js";
import type { Ending, Transport } from "../../../../lib/host/transport.js";
import { failureOf } from "../../../support/errors.js";

/** A trainer that says what a test lets it say. */
class Scripted implements Transport {
  readonly heard: ToTrainer[] = [];
  readonly kept: boolean[] = [];
  #say: ((message: unknown) => void) | undefined;
  #end: ((ending: Ending) => void) | undefined;

  post(message: ToTrainer): void { this.heard.push(message); }
  onMessage(listener: (message: unknown) => void): void { this.#say = listener; }
  onEnd(listener: (ending: Ending) => void): void { this.#end = listener; }
  keepAlive(wanted: boolean): void { this.kept.push(wanted); }
  kill(): void { this.end({ exitCode: null, signal: "SIGKILL" }); }
  say(message: unknown): void { this.#say?.(message); }
  end(ending: Ending): void { this.#end?.(ending); }
}

describe("Connection", () => {
  let trainer: Scripted;
  let connection: Connection;
  beforeEach(() => {
    trainer = new Scripted();
    connection = new Connection(trainer);
  });

  it("is ready when the trainer says so in the same protocol", async () => {
    trainer.say({ type: "ready", protocol: PROTOCOL, pid: 5 });
    expect(await connection.ready).to.equal(5);
  });

  it("refuses a trainer of another protocol", async () => {
    trainer.say({ type: "ready", protocol: PROTOCOL + 1, pid: 5 });
    expect((await failureOf("INTERNAL", () => connection.ready)).message).to.include(`protocol ${PROTOCOL + 1} instead of ${PROTOCOL}`);
  });

  it("keeps the process alive while an answer is awaited, and no longer", async () => {
    const answer = connection.call("setEpoch", { session: 1, epoch: 2 });
    expect(trainer.heard).to.deep.equal([{ type: "call", id: 1, name: "setEpoch", request: { session: 1, epoch: 2 }, reports: false }]);
    trainer.say({ type: "result", id: 1, value: null });
    expect(await answer).to.equal(null);
    expect(trainer.kept).to.deep.equal([true, false]);
  });

  it("checks each answer against what was asked", async () => {
    const answer = connection.call("position", { session: 1 });
    trainer.say({ type: "result", id: 1, value: { epoch: 0, step: -1, steps: 4, totalSteps: 0 } });
    expect((await failureOf("INVALID_ARGUMENT", () => answer)).message).to.match(/invalid step in the trainer's answer to position: expected .*, received -1/);
  });

  it("ends a trainer that speaks another language, and rejects what waits for it", async () => {
    const answer = connection.call("position", { session: 1 });
    trainer.say({ type: "gibberish" });
    const error = await failureOf("HOST_DIED", () => answer);
    expect(error.message).to.include("it sent a message that is none");
    expect((await connection.ended).signal).to.equal("SIGKILL");
  });

  it("passes a signal on while a call waits, and not afterwards", async () => {
    const controller = new AbortController();
    const answer = connection.call("position", { session: 1 }, { signal: controller.signal });
    controller.abort();
    expect(trainer.heard.at(-1)).to.deep.equal({ type: "abort", id: 1 });
    trainer.say({ type: "error", id: 1, error: { code: "ABORTED", message: "stopped", valid: [] } });
    await failureOf("ABORTED", () => answer);
    await failureOf("ABORTED", () => connection.call("position", { session: 1 }, { signal: controller.signal }));
    expect(trainer.heard).to.have.lengthOf(2);
  });
});
