import { expect } from "chai";
import { trainingLength } from "../../../lib/fit/training-length.js";

const BATCHES = { batchSize: 16, accumulateBatches: 1 };

describe("trainingLength", () => {
  it("is all steps of all epochs without a number of steps", () => {
    expect(trainingLength({ ...BATCHES, epochs: 3, maxSteps: null }, 64)).to.deep.equal({ epochs: 3, stepsPerEpoch: 4,
      steps: 12, images: 192 });
  });

  it("drops a last batch of one image, unless all are such", () => {
    const steps = (batchSize: number, samples: number): number =>
      trainingLength({ ...BATCHES, epochs: 1, maxSteps: null, batchSize }, samples).stepsPerEpoch;
    expect([steps(16, 65), steps(16, 66), steps(1, 3)]).to.deep.equal([4, 5, 3]);
  });

  it("is as many epochs as the steps take, the last one shorter", () => {
    expect(trainingLength({ ...BATCHES, epochs: null, maxSteps: 10 }, 64)).to.deep.equal({ epochs: 3, stepsPerEpoch: 4,
      steps: 10, images: 160 });
    expect(trainingLength({ ...BATCHES, epochs: null, maxSteps: 8 }, 64)).to.include({ epochs: 2, steps: 8,
      images: 128 });
    expect(trainingLength({ ...BATCHES, epochs: null, maxSteps: 1 }, 64)).to.include({ epochs: 1, steps: 1,
      images: 16 });
  });

  it("ends with the epochs or the steps, whichever comes first", () => {
    expect(trainingLength({ ...BATCHES, epochs: 2, maxSteps: 10 }, 64)).to.include({ epochs: 2, steps: 8 });
    expect(trainingLength({ ...BATCHES, epochs: 9, maxSteps: 10 }, 64)).to.include({ epochs: 3, steps: 10 });
  });

  it("counts optimizer steps of several batches", () => {
    expect(trainingLength({ batchSize: 4, accumulateBatches: 3, epochs: null, maxSteps: 5 }, 34)).to.deep.equal({
      epochs: 2,
      stepsPerEpoch: 3,
      steps: 5,
      images: 34 + 24,
    });
  });

  it("is finite for too few images", () => {
    expect(trainingLength({ ...BATCHES, epochs: null, maxSteps: 5 }, 1).epochs).to.equal(5);
  });
});
