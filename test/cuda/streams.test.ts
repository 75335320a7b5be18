import { expect } from "chai";
import { isWork } from "../../scripts/cuda/recorded-calls.js";
import { isOrdered, runScenario, section, type RecordedCall } from "./recording.js";

function streamsOf(calls: readonly RecordedCall[]): number[] {
  return [...new Set(calls.filter(isWork).map(({ stream }) => stream ?? 0))].filter((stream) => stream !== 0);
}

describe("the streams of sessions", function () {
  this.timeout(300_000);

  it("belong to one session each: 33 sessions share none", () => {
    const { calls, result: { outcomes } } = runScenario("many sessions", { count: 33 });
    expect(outcomes.map(({ error }) => error)).to.deep.equal(Array(33).fill(null));
    const streams = outcomes.map((_, index) => streamsOf(section(calls, `begin ${index}`, `end ${index}`)));
    for (const each of streams) expect(each).to.have.length(2);
    expect(new Set(streams.flat()).size).to.equal(66);
  });

  it("are captured while other threads allocate, copy, wait and capture", () => {
    const { calls, result: { outcomes, state } } = runScenario("concurrent sessions", { count: 3 });
    expect(outcomes).to.deep.equal(Array(3).fill({ error: null, graph: { replayed: true, reason: null } }));
    expect(calls.filter(({ error }) => error !== undefined)).to.deep.equal([]);
    const captures = calls.filter(({ call }) => call === "cudaStreamEndCapture");
    expect(new Set(captures.map(({ nodes }) => nodes)).size, "nodes of one session in the graph of another").to.equal(
      1,
    );
    expect(captures).to.have.length(3);
    expect(state.captures).to.equal(0);
    // Recordings of one libtorch share state, so only one runs at a time.
    let open = 0;
    for (const { call } of calls) {
      if (call === "cudaStreamBeginCapture") expect(++open).to.equal(1);
      if (call === "cudaStreamEndCapture") --open;
    }
  });

  it("are captured while graphs of other threads are destroyed", () => {
    // Timing between threads is random: repeated until they overlap.
    for (let met = 0, runs = 0; met === 0; ++runs) {
      expect(runs, "runs in which no graph was destroyed during a capture").to.be.lessThan(6);
      const { calls, result: { outcomes, state } } = runScenario("overlapping sessions", { threads: 3, sessions: 5 });
      expect(outcomes).to.deep.equal(Array(15).fill({ error: null, graph: { replayed: true, reason: null } }));
      expect(calls.filter(({ error }) => error !== undefined)).to.deep.equal([]);
      expect(state).to.include({ captures: 0, graphs: 0, graphExecs: 0 });
      let open = 0;
      for (const { call } of calls) {
        if (call === "cudaStreamBeginCapture") ++open;
        if (call === "cudaStreamEndCapture") --open;
        if (call === "cudaGraphExecDestroy") met += open;
      }
    }
  });

  it("do not wait for one another", () => {
    const { calls } = runScenario("concurrent sessions", { count: 2, steps: 40, epochs: 2 });
    const at = (name: string): number =>
      calls.findIndex((call) => call.call === "mark" && call.name?.startsWith(name) === true);
    const steady = calls.slice(Math.max(at("begin 2 0"), at("begin 2 1")), at("end 2"));
    expect(steady.filter(({ call }) => call === "cudaStreamBeginCapture")).to.deep.equal([]);
    expect(new Set(steady.filter(({ call }) => call === "cudaGraphLaunch").map(({ stream }) => stream)).size,
      "sessions that replay").to.equal(2);
    // All sessions would share the legacy default stream: the work of one would block the next.
    expect(steady.filter(({ call, stream }) => call === "cudaStreamWaitEvent" && stream === 0)).to.deep.equal([]);
  });

  // The teacher's stream is ahead when the student's forward fails, in an unrecorded step and during a recording.
  it("are joined when a step fails between the teacher's forward and the join", () => {
    const { calls, result: { failing, after, recorded, state } } = runScenario("failing step", {
      fail: "cudnnBackendExecute:20",
    });
    expect(failing.error!.message).to.match(/cuDNN error/);
    expect(state.captures).to.equal(0);
    const failure = calls.findIndex(({ call }) => call === "injected");
    const main = calls[failure + 1]!.stream;
    const begin = calls.findIndex(({ call, name }) => call === "mark" && name === "begin failing");
    const side = calls.findLastIndex((call, index) =>
      index > begin && index < failure && isWork(call) && call.stream !== main && call.stream !== 0
    );
    expect(side, "work of the teacher").to.be.greaterThan(begin);
    const next = calls.findIndex((call, index) => index > failure + 1 && isWork(call) && call.stream === main);
    expect(next).to.be.greaterThan(failure);
    expect(isOrdered(calls, side, next), "later work waits for the teacher's stream").to.equal(true);
    expect(after.error).to.equal(null);
    expect(recorded).to.deep.equal({ error: null, graph: { replayed: true, reason: null } });
  });

  it("are entered by the next step when a step could not enter them", () => {
    const failed = runScenario("failing step", { fail: "cudaEventRecord:1" });
    const whole = runScenario("failing step");
    expect(failed.result.failing.error!.message).to.match(/CUDA error/);
    const work = section(failed.calls, "begin failing", "end failing");
    expect(work.slice(work.findIndex(({ call }) => call === "injected")).filter(isWork), "work after the failure").to
      .deep.equal([]);
    for (const name of ["after", "evaluation"]) {
      const workIn = ({ calls }: { calls: readonly RecordedCall[] }): unknown[] =>
        section(calls, `begin ${name}`, `end ${name}`).filter(isWork).map((
          call,
        ) => [call.call, call.name, call.stream]);
      expect(workIn(failed), name).to.deep.equal(workIn(whole));
    }
    expect(failed.result.recorded).to.deep.equal({ error: null, graph: { replayed: true, reason: null } });
  });

  it("are joined before losses of the teacher's and the student's maps are computed", () => {
    const { calls } = runScenario("epochs", { steps: 2 });
    const epoch = section(calls, "begin 1", "end 1");
    const loss = epoch.findIndex(({ name }) => name?.includes("WindowDifferences"));
    expect(loss).to.be.at.least(0);
    const side = epoch.findLastIndex((call, index) =>
      index < loss && isWork(call) && call.stream !== epoch[loss]!.stream && call.stream !== 0
    );
    expect(side).to.be.at.least(0);
    expect(isOrdered(epoch, side, loss)).to.equal(true);
  });
});

describe("a session whose networks another session moved to the CPU", function () {
  this.timeout(120_000);

  it("refuses to train, with an error code", () => {
    const { before, moved } = runScenario("moved networks").result;
    expect(before.error).to.equal(null);
    expect(moved.error).not.to.equal(null);
    expect(moved.error!.code).not.to.be.oneOf(["none", "INTERNAL", "NON_FINITE_LOSS"]);
  });
});
