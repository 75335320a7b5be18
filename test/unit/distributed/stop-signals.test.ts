import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { listenForStopSignals, type StopSignal } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";

const ALL = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"] as const;

describe("listenForStopSignals", () => {
  /** Calls of a listener while these signals arrive; a number is a pause in milliseconds. */
  async function callsFor(
    ...received: readonly (StopSignal | number)[]
  ): Promise<(readonly [StopSignal, boolean])[]> {
    const calls: (readonly [StopSignal, boolean])[] = [];
    using listening = listenForStopSignals(ALL, (signal, isImpatient) => calls.push([signal, isImpatient]));
    expect(listening).to.be.an("object");
    for (const one of received) {
      if (typeof one === "number") await delay(one);
      else process.emit(one, one);
    }
    return calls;
  }

  it("reports the first signal of each kind, however often it follows", async () => {
    expect(await callsFor("SIGTERM", "SIGTERM", 450, "SIGTERM", "SIGUSR1", "SIGHUP", "SIGUSR1", "SIGHUP")).to.deep
      .equal([["SIGTERM", false], ["SIGUSR1", false], ["SIGHUP", false]]);
  });

  it("takes another Ctrl-C after a moment for impatience, and none that follows at once", async () => {
    expect(await callsFor("SIGINT", "SIGINT", 450, "SIGINT", "SIGINT")).to.deep.equal([["SIGINT", false], ["SIGINT",
      true]]);
    expect(await callsFor("SIGTERM", 450, "SIGINT")).to.deep.equal([["SIGTERM", false], ["SIGINT", false]]);
  });

  it("listens to the chosen signals alone, until it is disposed", () => {
    const before = ALL.map((signal) => process.listenerCount(signal));
    const listening = listenForStopSignals(["SIGHUP"], () => undefined);
    expect(ALL.map((signal) => process.listenerCount(signal) - before[ALL.indexOf(signal)]!)).to.deep.equal([0, 0, 1,
      0]);
    listening[Symbol.dispose]();
    expect(ALL.map((signal) => process.listenerCount(signal))).to.deep.equal(before);
  });

  it("refuses other signals, and what cannot be called", async () => {
    const signal = await failureOf("INVALID_ARGUMENT",
      () => listenForStopSignals(["SIGKILL" as StopSignal], () => undefined));
    expect(signal.message).to.include("SIGKILL");
    const listener = await failureOf("INVALID_ARGUMENT", () => listenForStopSignals(["SIGINT"], undefined as never));
    expect(listener.message).to.equal("invalid listener: expected a function, received nothing.");
  });
});
