import { expect } from "chai";
import { EtaEstimator } from "../../../lib/fit/eta-estimator.js";

describe("EtaEstimator", () => {
  const plan = { epochs: 3, trainSamples: 1000, testSamples: 300 };

  it("estimates zero before a speed is known", () => {
    expect(new EtaEstimator(plan).from(0, 0)).to.equal(0);
  });

  it("assumes that an evaluation costs a third of training until one was measured", () => {
    const left = new EtaEstimator(plan);
    left.trainedAt(100);
    // 2500 images at 100/s, and three evaluations of 300 images at 300/s.
    expect(left.from(0, 500)).to.be.closeTo(25 + 3, 1e-9);
  });

  it("adds the measured evaluation for each remaining epoch", () => {
    const left = new EtaEstimator(plan);
    left.trainedAt(100);
    left.evaluatedIn(5);
    expect(left.from(1, 0)).to.equal(20 + 2 * 5);
    expect(left.from(3, 0)).to.equal(0);
  });

  it("counts the images of a last epoch that ends early", () => {
    const left = new EtaEstimator({ ...plan, images: 2200 });
    left.trainedAt(100);
    left.evaluatedIn(5);
    expect(left.from(1, 0)).to.equal(12 + 2 * 5);
    expect(left.from(2, 150)).to.equal(0.5 + 5);
    expect(left.from(3, 0)).to.equal(0);
  });

  it("ignores a speed of zero", () => {
    const left = new EtaEstimator(plan);
    left.trainedAt(100);
    left.trainedAt(0);
    left.evaluatedIn(0);
    expect(left.from(2, 0)).to.equal(10);
  });
});
