import { EventEmitter } from "node:events";
import { expect } from "chai";
import { listenForLauncherEnd, launchStopSeconds } from "../../../lib/index.js";

type Own = NonNullable<Parameters<typeof listenForLauncherEnd>[1]>;

/** A process with a channel to its parent, or without one. */
class FakeProcess extends EventEmitter {
  isReferenced = false;
  readonly channel = { ref() {}, unref: (): void => {
    this.isReferenced = false;
  } };

  constructor(readonly env: NodeJS.ProcessEnv, readonly connected: boolean | undefined) {
    super();
    this.on("newListener", () => {
      this.isReferenced = true;
    });
  }

  get own(): Own {
    return this as unknown as Own;
  }
}

describe("listenForLauncherEnd", () => {
  const calls = (fake: FakeProcess): { count: number; listening: Disposable } => {
    const state = { count: 0, listening: { [Symbol.dispose]() {} } };
    state.listening = listenForLauncherEnd(() => {
      state.count += 1;
    }, fake.own);
    return state;
  };

  it("reports the end of the channel, and keeps no process alive", () => {
    const fake = new FakeProcess({ REVIEWKD_LAUNCH: "run" }, true);
    const state = calls(fake);
    expect(fake.isReferenced).to.equal(false);
    expect(state.count).to.equal(0);
    fake.emit("disconnect");
    expect(state.count).to.equal(1);
  });

  it("reports an end before it listened", () => {
    expect(calls(new FakeProcess({ REVIEWKD_LAUNCH: "run" }, false)).count).to.equal(1);
  });

  it("does not listen where it was not launched, in the children of a launched process, nor when disposed", () => {
    for (const fake of [new FakeProcess({}, true), new FakeProcess({ REVIEWKD_LAUNCH: "run" }, undefined)]) {
      const state = calls(fake);
      fake.emit("disconnect");
      expect(state.count).to.equal(0);
      state.listening[Symbol.dispose]();
    }
    const fake = new FakeProcess({ REVIEWKD_LAUNCH: "run" }, true);
    const state = calls(fake);
    state.listening[Symbol.dispose]();
    expect(fake.listenerCount("disconnect")).to.equal(0);
  });
});

describe("launchStopSeconds", () => {
  it("is what the launcher says, and half a minute otherwise", () => {
    expect(launchStopSeconds({ env: { REVIEWKD_STOP_SECONDS: "2.5" } })).to.equal(2.5);
    for (const env of [{}, { REVIEWKD_STOP_SECONDS: "soon" }, { REVIEWKD_STOP_SECONDS: "0" }])
      expect(launchStopSeconds({ env })).to.equal(30);
  });
});
