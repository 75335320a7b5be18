import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";

interface Link {
  readonly latency: number;
  readonly bandwidth: number;
}
interface Step {
  readonly compute: number;
  readonly backward: number;
  readonly bytes: number;
  readonly deviation?: number;
}
interface ClusterModel {
  bucketsOf: (bytes: number) => number[];
  efficiency: (step: Step, processes: number, link: Link) => number;
  exchangeSeconds: (bytes: number, processes: number, link: Link) => number;
  expectedMaximum: (count: number) => number;
  fitLink: (points: readonly { bytes: number; processes: number; seconds: number }[]) => Link;
  stepSeconds: (step: Step, processes: number, link: Link) => number;
}
// The benchmarks are plain JavaScript without types.
const MODEL = pathToFileURL(join(import.meta.dirname, "../../../bench/support/cluster-model.mjs")).href;
const { bucketsOf, efficiency, exchangeSeconds, expectedMaximum, fitLink, stepSeconds } = await import(
  MODEL
) as ClusterModel;

const LINK = { latency: 1e-4, bandwidth: 1e9 };

describe("the model of a step in many processes", () => {
  it("counts the messages and bytes of an exchange", () => {
    expect(exchangeSeconds(1e9, 1, LINK)).to.equal(0);
    // Two processes: half of the gradients each way, twice, and two messages.
    expect(exchangeSeconds(1e9, 2, LINK)).to.be.closeTo(1 + 2e-4, 1e-12);
    // Many: each byte is sent twice.
    expect(exchangeSeconds(1e9, 1000, { ...LINK, latency: 0 })).to.be.closeTo(1.998, 1e-12);
  });

  it("divides large gradients into buckets of equal size", () => {
    expect(bucketsOf(1e6)).to.deep.equal([1e6]);
    const buckets = bucketsOf(30e6);
    expect(buckets).to.have.length(8);
    expect(buckets.reduce((sum, bytes) => sum + bytes, 0)).to.be.closeTo(30e6, 1e-3);
  });

  it("hides all buckets but the last behind a long backward pass", () => {
    const step = { compute: 10, backward: 6, bytes: 40e6 };
    const last = exchangeSeconds(bucketsOf(40e6).at(-1) ?? 0, 8, LINK);
    expect(stepSeconds(step, 8, LINK)).to.be.closeTo(10 + 7 * LINK.latency + last, 1e-9);
    expect(stepSeconds({ ...step, backward: 0 }, 8, LINK)).to.be.greaterThan(stepSeconds(step, 8, LINK));
  });

  it("waits for the slowest process", () => {
    // The expected maxima of normal values: tables of order statistics.
    expect(expectedMaximum(1)).to.equal(0);
    expect(expectedMaximum(2)).to.be.closeTo(0.564, 0.03);
    expect(expectedMaximum(10)).to.be.closeTo(1.539, 0.01);
    expect(expectedMaximum(1000)).to.be.closeTo(3.241, 0.02);
    expect(efficiency({ compute: 1, backward: 0.5, bytes: 1e6, deviation: 0.02 }, 1000, LINK)).to.be.lessThan(
      efficiency({ compute: 1, backward: 0.5, bytes: 1e6 }, 1000, LINK),
    );
  });

  it("finds the link that measured exchanges took", () => {
    const points = [1e6, 5e6, 50e6].flatMap((bytes) =>
      [2, 4].map((processes) => ({ bytes, processes,
        seconds: exchangeSeconds(bytes, processes, LINK) + (processes - 1) * LINK.latency })
      )
    );
    const found = fitLink(points);
    expect(found.latency).to.be.closeTo(LINK.latency, 1e-9);
    expect(found.bandwidth).to.be.closeTo(LINK.bandwidth, 1);
  });
});
