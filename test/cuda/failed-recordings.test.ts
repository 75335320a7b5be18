import { expect } from "chai";
import { runScenario, section, type RecordedCall, type ScenarioRun } from "./recording.js";

/** cuBLAS takes 32 MiB for each thread and stream, which is more than these networks need. */
const SMALL_WORKSPACES = { env: { CUBLAS_WORKSPACE_CONFIG: ":16:8", CUBLASLT_WORKSPACE_SIZE: "128" } };

/** Where a recording can fail: when it begins, on both streams, when it ends, when it becomes something that can be launched. */
const FAILURES = [
  "cudaStreamBeginCapture:1", "cudaStreamWaitEvent@capture:1", "cudaLaunchKernel@capture:50", "cudnnBackendExecute@capture:20", "cudaStreamEndCapture:1", "cudaGraphInstantiate:1",
];

describe("a step that cannot be recorded", function () {
  this.timeout(300_000);

  for (const fail of FAILURES) {
    describe(`because of ${fail}`, () => {
      let run: ScenarioRun<"two sessions">;

      before(() => {
        run = runScenario("two sessions", {}, { fail });
        expect(run.calls.filter(({ call }) => call === "injected")).to.have.length(1);
      });

      it("is done by itself, and the reason is reported", () => {
        const { failed, later, between } = run.result;
        expect(failed.error).to.equal(null);
        expect(failed.graph!.replayed).to.equal(false);
        expect(failed.graph!.reason).to.match(/record/).and.match(/CUDA|cuDNN/);
        expect(later.error).to.equal(null);
        expect(between).to.include({ captures: 0, graphs: 0, graphExecs: 0 });
      });

      it("leaves another session its recording", () => {
        const { other, state } = run.result;
        expect(other).to.deep.equal({ error: null, graph: { replayed: true, reason: null } });
        expect(state).to.include({ captures: 0, graphs: 0 });
      });

      it("leaves later steps the memory that the steps before had, and they soon allocate nothing", () => {
        const epoch = section(run.calls, "begin first", "end first");
        const failure = epoch.findIndex(({ call }) => call === "injected");
        expect(failure).to.be.at.least(0);
        const most = (calls: readonly RecordedCall[]): number => Math.max(0, ...calls.map(({ used = 0 }) => used));
        expect(most(epoch.slice(failure))).to.be.at.most(most(epoch.slice(0, failure)));
        // Six steps follow. The first of them may have to take again what was given back for the recording.
        const last = epoch.slice(failure + Math.ceil(((epoch.length - failure) * 2) / 3));
        expect(last.filter(({ call }) => call === "cudaMalloc")).to.deep.equal([]);
      });
    });
  }

  it("leaves no memory behind when its session is gone", () => {
    const one = runScenario("disposed sessions", { sessions: 1 }, SMALL_WORKSPACES).result.state.deviceBytes;
    const { outcomes } = runScenario("disposed sessions", { sessions: 4, fail: "cudaStreamEndCapture:1" }, { ...SMALL_WORKSPACES, memory: Math.round(one * 1.5) }).result;
    expect(outcomes.map(({ error }) => error)).to.deep.equal(Array(4).fill(null));
  });
});
