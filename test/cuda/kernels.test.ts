import { expect } from "chai";
import { runRecorded, runScenario } from "./recording.js";

/** The limit for a step: its launches must cost less than its arithmetic. */
const MOST_NODES = 350;

type Row = readonly [name: string, stream: string, count: number];
const total = (rows: readonly Row[]): number => rows.reduce((sum, [, , count]) => sum + count, 0);

describe("a step of Wide ResNets, whose blocks start with a normalization", function () {
  this.timeout(120_000);

  it("normalizes only with kernels of the plugin", () => {
    const { calls, result: { outcomes: [outcome] } } = runScenario("epochs", { steps: 2, teacher: "wrn-16-2",
      student: "wrn-16-1" });
    expect(outcome!.error).to.equal(null);
    const names = calls.filter(({ kind }) => kind === "kernel").map(({ name }) => name ?? "");
    expect(names.filter((name) => /batch_?norm/i.test(name.replace(/BatchNormGradient|BatchNormStatistics/g, "")))).to
      .deep.equal([]);
    // Thirteen normalizations of the student in each of two steps, and those of the fusion.
    expect(names.filter((name) => name.includes("BatchStatistics")).length).to.be.at.least(2 * 13);
  });
});

describe("the rates of kernels", function () {
  this.timeout(120_000);

  it("are measured by recorded calls, on otherwise unused streams", () => {
    const { calls, result: { rates } } = runScenario("kernel rates");
    expect(rates).not.to.be.empty;
    for (const { name, seconds } of rates) expect(seconds, name).to.be.greaterThan(0);
    expect(calls.filter(({ error }) => error !== undefined)).to.deep.equal([]);
    expect(calls.some(({ call }) => call === "cudaGraphLaunch")).to.equal(true);
  });
});

describe("a step of ResNet-20 distilled from ResNet-56 in bfloat16, with 128 images", function () {
  this.timeout(300_000);
  let counted: { step: Row[]; graph: Row[]; outside: Row[] };

  before(() => {
    const { stdout } = runRecorded(["bench/kernels-per-step.mjs", "--json"], {
      env: { REVIEWKD_RECORDING_MAX_BLOCKS: "1" },
    });
    counted = JSON.parse(stdout) as typeof counted;
  });

  it(`is a graph of fewer than ${MOST_NODES} kernels and copies`, () => {
    expect(total(counted.graph)).to.be.greaterThan(100).and.lessThan(MOST_NODES);
  });

  it("convolves each layer once forward, and once each for the gradients of input and weight", () => {
    const count = (name: string): number => total(counted.graph.filter(([each]) => each.includes(name)));
    // 57 of the teacher, including its shortcuts, and 29 of the student and the fusion; the first layer's input has
    // no gradient.
    expect(count("convolution forward")).to.equal(86);
    expect(count("convolution backward filter")).to.equal(29);
    expect(count("convolution backward data")).to.equal(28);
  });

  it("takes few more kernels without a graph", () => {
    expect(total(counted.step)).to.be.lessThan(total(counted.graph) + 20);
  });
});
