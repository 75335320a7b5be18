import { EventEmitter } from "node:events";
import { expect } from "chai";
import { stopSecondsOf, watchLauncher, type LaunchedProcess } from "../../../lib/distributed/launched.js";
import { launchStopSeconds, listenForLauncherEnd } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";

const RUNNING = process.pid;
const OTHER_PARENT = 1;
/** Above all process numbers. */
const ENDED = 2 ** 31 - 1;

/** A process with a channel to its parent, or without one. */
class FakeProcess extends EventEmitter implements LaunchedProcess {
  isReferenced = false;
  readonly env: LaunchedProcess["env"];
  readonly channel = { unref: (): void => {
    this.isReferenced = false;
  } };

  constructor(launcher: number | undefined, public ppid: number, public connected: boolean | undefined) {
    super();
    this.env = { REVIEWKD_LAUNCH: "run",
      ...(launcher === undefined ? {} : { REVIEWKD_LAUNCHER_PID: String(launcher) }) };
    this.on("newListener", () => {
      this.isReferenced = true;
    });
  }
}

describe("watchLauncher", () => {
  const calls = (fake: FakeProcess): { count: number; listening: Disposable } => {
    const state = { count: 0, listening: { [Symbol.dispose]() {} } };
    state.listening = watchLauncher(fake, () => {
      state.count += 1;
    });
    return state;
  };

  it("reports the end of the channel, and keeps no process alive", () => {
    const fake = new FakeProcess(RUNNING, RUNNING, true);
    const state = calls(fake);
    expect(fake.isReferenced).to.equal(false);
    expect(state.count).to.equal(0);
    fake.emit("disconnect");
    expect(state.count).to.equal(1);
  });

  it("reports an end before it listened", () => {
    expect(calls(new FakeProcess(RUNNING, RUNNING, false)).count).to.equal(1);
    // Another process is the parent of one whose own has ended, also before it knows that the channel is closed.
    for (const connected of [true, false])
      expect(calls(new FakeProcess(ENDED, OTHER_PARENT, connected)).count).to.equal(1);
    const known = new FakeProcess(RUNNING, RUNNING, true);
    calls(known).listening[Symbol.dispose]();
    known.ppid = OTHER_PARENT;
    known.connected = false;
    expect(calls(known).count).to.equal(1);
  });

  it("does not listen where it was not launched, in the children of a launched process, nor when disposed", () => {
    for (const fake of [new FakeProcess(undefined, RUNNING, true), new FakeProcess(RUNNING, OTHER_PARENT, true),
      new FakeProcess(RUNNING, OTHER_PARENT, false), new FakeProcess(RUNNING, RUNNING, undefined)]) {
      const state = calls(fake);
      fake.emit("disconnect");
      expect(state.count).to.equal(0);
      state.listening[Symbol.dispose]();
    }
    const fake = new FakeProcess(RUNNING, RUNNING, true);
    const state = calls(fake);
    state.listening[Symbol.dispose]();
    expect(fake.listenerCount("disconnect")).to.equal(0);
  });
});

describe("listenForLauncherEnd", () => {
  it("does nothing in a process that was not launched, and refuses what cannot be called", async () => {
    const before = process.listenerCount("disconnect");
    const listening = listenForLauncherEnd(() => {
      throw new Error("called");
    });
    expect(process.listenerCount("disconnect")).to.equal(before);
    listening[Symbol.dispose]();
    await failureOf("INVALID_ARGUMENT", () => listenForLauncherEnd("later" as never));
  });
});

describe("launchStopSeconds", () => {
  it("is what the launcher says, and half a minute otherwise", () => {
    expect(stopSecondsOf({ REVIEWKD_STOP_SECONDS: "2.5" })).to.equal(2.5);
    for (const env of [{}, { REVIEWKD_STOP_SECONDS: "soon" }, { REVIEWKD_STOP_SECONDS: "0" }])
      expect(stopSecondsOf(env)).to.equal(30);
    expect(launchStopSeconds()).to.equal(30);
  });
});
