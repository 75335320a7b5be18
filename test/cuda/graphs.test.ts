import { expect } from "chai";
import { isWork, waitsForAll } from "../../scripts/cuda/recorded-calls.js";
import { runScenario, section, type RecordedCall } from "./recording.js";
import type { Outcome } from "./scenarios.js";

const REPLAYED = { replayed: true, reason: null };
const STEPS = 14;

/** The calls from one replay to the next: one step each. */
function steadySteps(calls: readonly RecordedCall[]): RecordedCall[][] {
  const launches = calls.flatMap(({ call }, index) => (call === "cudaGraphLaunch" ? [index] : []));
  return launches.slice(0, -1).map((begin, index) => calls.slice(begin + 1, launches[index + 1]));
}

/** Losses are read at time intervals. */
const reads = (step: readonly RecordedCall[]): boolean =>
  step.some(({ kind, name }) => kind === "copy" && name?.startsWith("DtoH"));

describe("a training on a CUDA device", function () {
  this.timeout(120_000);
  let outcomes: readonly Outcome[];
  let all: readonly RecordedCall[];
  let calls: readonly RecordedCall[];
  let steady: RecordedCall[][];

  before(() => {
    const run = runScenario("epochs", { steps: STEPS });
    outcomes = run.result.outcomes;
    all = run.calls;
    calls = section(run.calls, "begin 1", "end 1");
    steady = steadySteps(calls);
  });

  it("records a step and replays it", () => {
    expect(outcomes).to.deep.equal([{ error: null, graph: REPLAYED }]);
    const captured = calls.filter(({ call }) => call === "cudaStreamEndCapture");
    expect(captured).to.have.length(1);
    expect(captured[0]!.error).to.equal(undefined);
    expect(steady.length).to.be.at.least(STEPS - 6);
  });

  it("calls nothing that the recording runtime lacks, and nothing fails", () => {
    // libtorch registers for the driver's log, and works without it.
    expect(all.filter(({ call, name }) => call === "unmodelled" && name !== "a function of the driver")).to.deep.equal(
      [],
    );
    expect(all.filter(({ error }) => error !== undefined)).to.deep.equal([]);
  });

  it("records the work on the teacher's stream into the same graph", () => {
    const capture = calls.find(({ call }) => call === "cudaStreamBeginCapture")!;
    const nodes = calls.filter((call) => isWork(call) && call.capture === capture.capture);
    expect(nodes.length).to.equal(calls.find(({ call }) => call === "cudaStreamEndCapture")!.nodes);
    expect(new Set(nodes.map(({ stream }) => stream)).size).to.equal(2);
  });

  it("submits only the batch and scalars before a replay", () => {
    for (const step of steady.filter((each) => !reads(each))) {
      const work = step.filter(isWork);
      expect(work.filter(({ name }) => /convolution|gemm|Matmul/.test(name ?? ""))).to.deep.equal([]);
      expect(work.length).to.be.at.most(8);
    }
  });

  it("does not use the legacy default stream", () => {
    expect(steady.filter((each) => !reads(each)).flat().filter((call) => isWork(call) && call.stream === 0)).to.deep
      .equal([]);
  });

  it("allocates nothing in replayed steps", () => {
    expect(steady.flat().filter(({ kind }) => kind === "memory")).to.deep.equal([]);
  });

  it("waits for the device only to read losses in replayed steps", () => {
    expect(steady.filter((each) => !reads(each)).length).to.be.at.least(3);
    for (const step of steady) {
      const waits = step.filter(waitsForAll);
      const copies = step.filter(({ kind, name }) => kind === "copy" && name?.startsWith("DtoH"));
      expect(waits.length).to.be.at.most(1);
      expect(copies).to.have.length(waits.length);
    }
  });

  it("reads the losses of a custom loop's step in one copy", () => {
    const run = runScenario("own loop", { steps: 6 });
    const step = section(run.calls, "begin 5", "end 5");
    expect(step.filter(({ kind, name }) => kind === "copy" && name?.startsWith("DtoH"))).to.have.length(1);
    expect(step.filter(waitsForAll)).to.have.length(1);
  });

  it("records the same work again when the teacher's weights change", () => {
    const run = runScenario("other teachers", { count: 2 });
    expect(run.result.outcomes.map(({ graph }) => graph)).to.deep.equal([REPLAYED, REPLAYED]);
    const [first, second, ...others] = run.calls.filter(({ call }) => call === "cudaStreamEndCapture").map((
      { nodes },
    ) => nodes);
    expect(others).to.deep.equal([]);
    // Values computed once from those weights are not part of every step.
    expect(second).to.equal(first);
  });
});
