import { expect } from "chai";
import { isWork } from "../../scripts/cuda/recorded-calls.js";
import { isOrdered, runScenario, section, type RecordedCall, type ScenarioRun } from "./recording.js";

/** A call with its place among the calls of an epoch. */
type Placed = RecordedCall & { readonly index: number };

const placed = (calls: readonly RecordedCall[]): Placed[] => calls.map((call, index) => ({ ...call, index }));

// libtorch's ProcessGroupNCCL as the plugin opens it, on functions of NCCL that copy.
describe("NCCL in a process group of one", function () {
  this.timeout(300_000);
  const SESSIONS = 2;
  let run: ScenarioRun<"group of one">;

  before(() => {
    run = runScenario("group of one", { sessions: SESSIONS });
  });

  it("is of the version that libtorch was built with", () => {
    expect(run.result.backends).to.deep.equal(["gloo", "nccl"]);
  });

  it("sums up the gradients of each step", () => {
    expect(run.result.outcomes.map(({ error }) => error)).to.deep.equal(Array(SESSIONS).fill(null));
    for (let index = 0; index < SESSIONS; ++index) {
      const names = section(run.calls, `begin ${index}`, `end ${index}`).filter(({ call }) => call === "nccl").map((
        { name },
      ) => name);
      expect(names).to.deep.equal(Array(3).fill(["ncclAlltoAll", "ncclAllGather"]).flat());
    }
  });

  it("is ordered after the gradients are complete, and before they are used, without a wait of the host", () => {
    const epoch = section(run.calls, "begin 0", "end 0");
    for (const [at, { name, stream }] of epoch.entries()) {
      if (name !== "ncclAlltoAll") continue;
      const gather = epoch.findIndex((call, index) => index > at && call.name === "ncclAllGather");
      const others = epoch.map((call, index) => ({ ...call, index })).filter((call) =>
        isWork(call) && call.stream !== stream
      );
      const before = others.filter(({ index }) => index < at).at(-1)!.index;
      const after = others.find(({ index }) => index > gather)!.index;
      expect(isOrdered(epoch, before, at), "gradients before their sum").to.equal(true);
      expect(isOrdered(epoch, gather, after), "the sum before its use").to.equal(true);
      expect(epoch.slice(before, after).filter(({ kind }) => kind === "synchronize")).to.deep.equal([]);
    }
  });

  it("frees its communicators with the session", () => {
    const count = (wanted: string): number => run.calls.filter(({ call }) => call === wanted).length;
    expect(count("ncclCommInit")).to.equal(SESSIONS);
    expect(count("ncclCommAbort")).to.equal(SESSIONS);
    expect(run.calls.filter(({ call, name }) => call === "unmodelled" && name?.startsWith("nccl"))).to.deep.equal([]);
  });
});

// 78,042 parameters of 4 bytes in buckets of 64 KiB.
describe("NCCL in a process group of one, in buckets", function () {
  this.timeout(300_000);
  const STEPS = 3;
  const BUCKETS = 6;
  let epoch: RecordedCall[];
  /** The all-to-all and the all-gather of each bucket. */
  let sums: (readonly [Placed, Placed])[];
  /** Where the host submits the last convolution's gradient of a step, by step. */
  let ends: number[];

  before(() => {
    const { calls, result } = runScenario("group of one", { sessions: 1 }, {
      env: { REVIEWKD_GRADIENT_BUCKETS: "0,65536" },
    });
    expect(result.outcomes[0]!.error).to.equal(null);
    epoch = section(calls, "begin 0", "end 0");
    const nccl = placed(epoch).filter(({ call }) => call === "nccl");
    expect(nccl.map(({ name }) => name)).to.deep.equal(
      Array(STEPS * BUCKETS).fill(["ncclAlltoAll", "ncclAllGather"]).flat(),
    );
    sums = Array.from({ length: STEPS * BUCKETS }, (_, i) => [nccl[2 * i]!, nccl[2 * i + 1]!] as const);
    const gradients = placed(epoch).filter(({ name }) => name === "cudnn convolution backward filter");
    const each = gradients.length / STEPS;
    ends = Array.from({ length: STEPS }, (_, step) => gradients[(step + 1) * each - 1]!.index);
  });

  const ofStep = (step: number): (readonly [Placed, Placed])[] => sums.slice(step * BUCKETS, (step + 1) * BUCKETS);

  it("sums up all buckets but the last during the backward pass", () => {
    for (let step = 0; step < STEPS; ++step) {
      const during = ofStep(step).filter(([, gather]) => gather.index < ends[step]!);
      expect(during).to.have.length(BUCKETS - 1);
      for (const [, gather] of during) {
        expect(isOrdered(epoch, gather.index, ends[step]!), "the backward pass waits for no sum").to.equal(false);
      }
    }
  });

  it("begins a sum after the bucket's gradients, and uses none before all are complete", () => {
    for (let step = 0; step < STEPS; ++step) {
      const last = ofStep(step).at(-1)![1];
      const streams = new Set(ofStep(step).flat().map(({ stream }) => stream));
      const others = placed(epoch).filter((call) => isWork(call) && !streams.has(call.stream));
      for (const [all, gather] of ofStep(step)) {
        const before = others.filter(({ index }) => index < all.index).at(-1)!;
        expect(isOrdered(epoch, before.index, all.index), "gradients before their sum").to.equal(true);
        const use = others.find(({ index }) => index > last.index)!;
        expect(isOrdered(epoch, gather.index, use.index), "the sum before its use").to.equal(true);
      }
    }
  });

  it("never makes the host wait for a sum", () => {
    const streams = new Set(sums.flat().map(({ stream }) => stream));
    expect(epoch.filter(({ kind, stream }) => kind === "synchronize" && streams.has(stream))).to.deep.equal([]);
    expect(epoch.filter(({ call }) => call === "cudaDeviceSynchronize")).to.deep.equal([]);
  });
});

describe("an error that NCCL reports", function () {
  this.timeout(300_000);

  it("fails the next step soon, without the reports of c10d", () => {
    const { calls, result } = runScenario("error of NCCL");
    expect(calls.map(({ call }) => call)).to.include("injected").and.to.include("ncclCommAbort");
    expect(result.code).to.equal("INTERNAL");
    expect(result.message).to.include("NCCL");
    // c10d's watchdog would sleep for a minute first.
    expect(result.seconds).to.be.lessThan(20);
  });
});
