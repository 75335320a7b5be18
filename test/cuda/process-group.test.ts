import { expect } from "chai";
import { isWork } from "../../scripts/cuda/recorded-calls.js";
import { isOrdered, runScenario, section, type ScenarioRun } from "./recording.js";

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
