import { expect } from "chai";
import { runScenario, section } from "./recording.js";
import type { Outcome, State } from "./scenarios.js";

interface TwoSessions {
  readonly outcomes: readonly [Outcome, Outcome, Outcome];
  readonly between: State;
  readonly state: State;
}

/** Where a recording can fail: when it begins, on both streams, when it ends, when it becomes something that can be launched. */
const FAILURES = [
  "cudaStreamBeginCapture:1", "cudaStreamWaitEvent@capture:1", "cudaLaunchKernel@capture:50", "cudnnBackendExecute@capture:20", "cudaStreamEndCapture:1", "cudaGraphInstantiate:1",
];

describe("a step that cannot be recorded", function () {
  this.timeout(300_000);

  for (const fail of FAILURES) {
    it(`is done by itself, with the reason, and no harm to another session: ${fail}`, () => {
      const { calls, result: { outcomes: [failed, other, later], between, state } } = runScenario<TwoSessions>("two sessions", {}, { fail });
      expect(calls.filter(({ call }) => call === "injected")).to.have.length(1);
      expect(failed.error).to.equal(null);
      expect(failed.graph!.replayed).to.equal(false);
      expect(failed.graph!.reason).to.match(/record/).and.match(/CUDA error|cuDNN error/);
      expect(later.error).to.equal(null);
      expect(other).to.deep.equal({ error: null, graph: { replayed: true, reason: null } });
      expect(between).to.include({ captures: 0, graphs: 0, graphExecs: 0 });
      expect(state).to.include({ captures: 0, graphs: 0 });
    });

    it(`allocates nothing afterwards, for the steps before had all that a step needs: ${fail}`, () => {
      const { calls } = runScenario<TwoSessions>("two sessions", {}, { fail });
      const epoch = section(calls, "begin first", "end first");
      const failure = epoch.findIndex(({ call }) => call === "injected");
      expect(failure).to.be.at.least(0);
      expect(epoch.slice(failure).filter(({ call }) => call === "cudaMalloc")).to.deep.equal([]);
    });
  }

  it("leaves no memory behind, nor an allocator that cannot give memory back", () => {
    const run = (sessions: number, fail: string, memory?: number): { outcomes: Outcome[]; state: State } =>
      runScenario<{ outcomes: Outcome[]; state: State }>("disposed sessions", { sessions, fail }, memory === undefined ? {} : { memory }).result;
    const single = run(1, "");
    const memory = Math.round(single.state.deviceBytes * 1.2);
    // What sessions took that are gone is given back when another one needs it.
    const succeeding = run(6, "", memory);
    expect(succeeding.outcomes.map(({ error, graph }) => error ?? graph)).to.deep.equal(Array(6).fill({ replayed: true, reason: null }));
    const failing = run(6, "cudaStreamEndCapture:1", memory);
    expect(failing.outcomes.map(({ error }) => error)).to.deep.equal(Array(6).fill(null));
    for (const { graph } of failing.outcomes) expect(graph!.reason).to.match(/CUDA error/);
  });
});
