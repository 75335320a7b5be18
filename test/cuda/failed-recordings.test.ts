import { expect } from "chai";
import { runScenario, section, type ScenarioRun } from "./recording.js";

/** cuBLAS takes 32 MiB for each thread and stream, which is more than these networks need. */
const SMALL_WORKSPACES = { env: { CUBLAS_WORKSPACE_CONFIG: ":16:8", CUBLASLT_WORKSPACE_SIZE: "128" } };

/** Where a recording can fail: when it begins, on both streams, when it ends, when it becomes something that can be launched. */
const FAILURES = [
  "cudaStreamBeginCapture:1", "cudaStreamWaitEvent@capture:1", "cudaLaunchKernel@capture:50", "cudnnBackendExecute@capture:1", "cudnnBackendExecute@capture:20", "cudaStreamEndCapture:1", "cudaGraphInstantiate:1",
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
        expect(failed.graph!.reason).to.match(/record/).and.match(/CUDA error|cuDNN error|CUDA kernel did not start|CUDA broke off the recording/).and.not.match(/INTERNAL ASSERT/);
        expect(later.error).to.equal(null);
        expect(between).to.include({ captures: 0, graphs: 0, graphExecs: 0 });
      });

      it("leaves another session its recording", () => {
        const { other, state } = run.result;
        expect(other).to.deep.equal({ error: null, graph: { replayed: true, reason: null } });
        expect(state).to.include({ captures: 0, graphs: 0 });
      });

      it("is followed by steps that take the memory of a step once more, which was freed for the recording, and no more than that", () => {
        const epoch = section(run.calls, "begin first", "end first");
        const failure = epoch.findIndex(({ call }) => call === "injected");
        expect(failure).to.be.at.least(0);
        const taken = (calls: typeof epoch): number => calls.reduce((sum, { call, bytes }) => sum + (call === "cudaMalloc" ? bytes ?? 0 : 0), 0);
        expect(taken(epoch.slice(failure))).to.be.at.most(taken(run.calls.slice(0, run.calls.indexOf(epoch[failure]!))));
        // The last step finds what the one before it has freed.
        const ends = epoch.flatMap(({ name }, index) => (name?.includes("EndStep") === true ? [index] : []));
        expect(ends.length).to.be.at.least(2);
        expect(taken(epoch.slice(ends.at(-2)))).to.equal(0);
      });

      it("leaves no memory behind when its session is gone", () => {
        const after = (sessions: number): number => {
          const { outcomes, state } = runScenario("disposed sessions", { sessions, fail }, SMALL_WORKSPACES).result;
          expect(outcomes.map(({ error, graph }) => [error, graph!.replayed])).to.deep.equal(Array(sessions).fill([null, false]));
          return state.deviceBytes;
        };
        // The second one finds what the libraries took for the streams of the first.
        expect(after(4)).to.equal(after(2));
      });
    });
  }
});
