import { expect } from "chai";
import { runScenario } from "./recording.js";
/** Smaller cuBLAS workspaces: by default 32 MiB per thread and stream, more than these networks need. */
const SMALL_WORKSPACES = { env: { CUBLAS_WORKSPACE_CONFIG: ":16:8", CUBLASLT_WORKSPACE_SIZE: "128" } };
const WITHOUT_GRAPHS = { env: { REVIEWKD_CUDA_GRAPHS: "0" } };

describe("the memory of recorded steps", function () {
  this.timeout(300_000);

  it("may be insufficient: steps then run without graphs, and the reason is reported", () => {
    const plain = runScenario("epochs", {}, WITHOUT_GRAPHS).result.state.deviceBytesPeak;
    const recorded = runScenario("epochs").result.state.deviceBytesPeak;
    expect(recorded).to.be.greaterThan(plain);
    for (const memory of [plain, Math.round((plain + recorded) / 2)]) {
      const { outcomes: [outcome], state } = runScenario("epochs", {}, { memory }).result;
      expect(outcome!.error).to.equal(null);
      expect(outcome!.graph!.replayed).to.equal(false);
      expect(outcome!.graph!.reason).to.match(/out of memory/);
      expect(state).to.include({ captures: 0, graphs: 0, graphExecs: 0 });
    }
  });

  it("is shared by the shapes of one session", () => {
    const sizes = [16, 12, 8];
    const plain = runScenario("shapes", { sizes }, WITHOUT_GRAPHS).result;
    const recorded = runScenario("shapes", { sizes }).result;
    expect(recorded.outcomes.map(({ graph }) => graph)).to.deep.equal(Array(3).fill({ replayed: true, reason: null }));
    const graphs = recorded.states.map(({ deviceBytes }, index) => deviceBytes - plain.states[index]!.deviceBytes);
    // Graphs of one session are replayed one after the other, so that those of smaller batches fit into the memory of
    // the largest one. Each keeps its own memory beyond a step: batches, labels and gradients.
    expect(graphs[2]! / graphs[0]!).to.be.lessThan(1.5);
  });

  it("does not grow when the teacher's weights change and steps are recorded again", () => {
    const { outcomes, states } = runScenario("other teachers", { count: 5 }).result;
    expect(outcomes.map(({ graph }) => graph)).to.deep.equal(Array(5).fill({ replayed: true, reason: null }));
    expect((states[4]!.deviceBytes - states[1]!.deviceBytes) / states[1]!.deviceBytes).to.be.lessThan(0.1);
  });

  it("is little more than that of unrecorded steps, which is freed before a recording", () => {
    const plain =
      runScenario("disposed sessions", { sessions: 2, recorded: 2 }, SMALL_WORKSPACES).result.state.deviceBytesPeak;
    const { outcomes } =
      runScenario("disposed sessions", { sessions: 2, recorded: 1 }, { ...SMALL_WORKSPACES,
        memory: Math.round(1.4 * plain) }).result;
    expect(outcomes[1]).to.deep.equal({ error: null, graph: { replayed: true, reason: null } });
  });
});

describe("the memory of a disposed session", function () {
  this.timeout(300_000);

  it("is available to later ones, including what libraries allocated for its streams", () => {
    const one = runScenario("disposed sessions", { sessions: 1 }).result.state.deviceBytes;
    const { outcomes } = runScenario("disposed sessions", { sessions: 5 }, { memory: Math.round(one * 1.3) }).result;
    expect(outcomes.map(({ error }) => error)).to.deep.equal(Array(5).fill(null));
  });
});
