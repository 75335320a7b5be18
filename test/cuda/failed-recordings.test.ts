import { expect } from "chai";
import { runScenario, section, type ScenarioRun } from "./recording.js";

/** Smaller cuBLAS workspaces: by default 32 MiB per thread and stream, more than these networks need. */
const SMALL_WORKSPACES = { env: { CUBLAS_WORKSPACE_CONFIG: ":16:8", CUBLASLT_WORKSPACE_SIZE: "128" } };

/** The points where a recording can fail: at its start, on both streams, at its end, when its graph is instantiated. */
const FAILURES = [
  "cudaStreamBeginCapture:1",
  "cudaStreamWaitEvent@capture:1",
  "cudaLaunchKernel@capture:50",
  "cudnnBackendExecute@capture:1",
  "cudnnBackendExecute@capture:20",
  "cudaStreamEndCapture:1",
  "cudaGraphInstantiate:1",
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

      it("runs without a graph, and the reason is reported", () => {
        const { failed, later, between } = run.result;
        expect(failed.error).to.equal(null);
        expect(failed.graph!.replayed).to.equal(false);
        expect(failed.graph!.reason).to.match(/record/).and.match(
          /CUDA error|cuDNN error|failed to start a CUDA kernel|CUDA aborted the recording/,
        ).and.not.match(/INTERNAL ASSERT/);
        expect(later.error).to.equal(null);
        expect(between).to.include({ captures: 0, graphs: 0, graphExecs: 0 });
      });

      it("does not affect another session's recording", () => {
        const { other, state } = run.result;
        expect(other).to.deep.equal({ error: null, graph: { replayed: true, reason: null } });
        expect(state).to.include({ captures: 0, graphs: 0 });
      });

      it("is followed by steps that allocate only the memory of one step, which was freed for the recording", () => {
        const epoch = section(run.calls, "begin first", "end first");
        const failure = epoch.findIndex(({ call }) => call === "injected");
        expect(failure).to.be.at.least(0);
        const taken = (calls: typeof epoch): number =>
          calls.reduce((sum, { call, bytes }) => sum + (call === "cudaMalloc" ? bytes ?? 0 : 0), 0);
        expect(taken(epoch.slice(failure))).to.be.at.most(
          taken(run.calls.slice(0, run.calls.indexOf(epoch[failure]!))),
        );
        // The last step reuses the memory that the previous one freed.
        const ends = epoch.flatMap(({ name }, index) => (name?.includes("EndStep") === true ? [index] : []));
        expect(ends.length).to.be.at.least(2);
        expect(taken(epoch.slice(ends.at(-2)))).to.equal(0);
      });

      it("leaves no memory in use after its session is disposed", () => {
        const after = (sessions: number): number => {
          const { outcomes, state } = runScenario("disposed sessions", { sessions, fail }, SMALL_WORKSPACES).result;
          expect(outcomes.map(({ error, graph }) => [error, graph!.replayed])).to.deep.equal(
            Array(sessions).fill([null, false]),
          );
          return state.deviceBytes;
        };
        // The second session reuses what the libraries allocated for the streams of the first.
        expect(after(4)).to.equal(after(2));
      });
    });
  }
});
