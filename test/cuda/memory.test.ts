import { expect } from "chai";
import { runScenario } from "./recording.js";
import type { Outcome, State } from "./scenarios.js";

interface Shapes {
  readonly outcomes: readonly Outcome[];
  readonly states: readonly State[];
}

const WITHOUT_GRAPHS = { env: { REVIEWKD_CUDA_GRAPHS: "0" } };

describe("the memory of recorded steps", function () {
  this.timeout(300_000);

  it("may be missing: steps are done by themselves then, and the reason is reported", () => {
    const plain = runScenario<{ outcomes: Outcome[]; state: State }>("epochs", {}, WITHOUT_GRAPHS).result.state.deviceBytesPeak;
    const recorded = runScenario<{ outcomes: Outcome[]; state: State }>("epochs").result.state.deviceBytesPeak;
    expect(recorded).to.be.greaterThan(plain);
    for (const memory of [plain, Math.round((plain + recorded) / 2)]) {
      const { outcomes: [outcome], state } = runScenario<{ outcomes: Outcome[]; state: State }>("epochs", {}, { memory }).result;
      expect(outcome!.error).to.equal(null);
      expect(outcome!.graph!.replayed).to.equal(false);
      expect(outcome!.graph!.reason).to.match(/out of memory/);
      expect(state).to.include({ captures: 0, graphs: 0, graphExecs: 0 });
    }
  });

  it("is shared by the shapes of one session", () => {
    const [plain, recorded] = [WITHOUT_GRAPHS, {}].map((options) => runScenario<Shapes>("shapes", { sizes: [16, 12, 8] }, options).result) as [Shapes, Shapes];
    expect(recorded.outcomes.map(({ graph }) => graph)).to.deep.equal(Array(3).fill({ replayed: true, reason: null }));
    const graphs = recorded.states.map(({ deviceBytes }, index) => deviceBytes - plain.states[index]!.deviceBytes);
    // Graphs of one session are replayed one after the other, so that those of smaller batches find room in what the largest one took. They keep what each has beyond
    // a step: batches, labels and gradients.
    expect(graphs[2]! / graphs[0]!).to.be.lessThan(1.5);
  });

  it("does not grow where the teacher's weights change and steps are recorded once more", () => {
    const { outcomes, states } = runScenario<Shapes>("other teachers", { count: 5 }).result;
    expect(outcomes.map(({ graph }) => graph)).to.deep.equal(Array(5).fill({ replayed: true, reason: null }));
    expect(states[4]!.deviceBytes).to.equal(states[1]!.deviceBytes);
  });
});
