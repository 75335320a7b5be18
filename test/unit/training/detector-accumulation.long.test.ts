import { expect } from "chai";
import { createDetector, createSession, type Detector, loadDataset, type Session } from "../../../lib/index.js";
import type { DetectionBatch } from "../../../lib/api/dataset.js";
import type { EpochSummary } from "../../../lib/config/schemas/epoch.js";
import { namedImage, targetsOf } from "../../support/detectors.js";
import { failureOf } from "../../support/errors.js";
import { largestDifference, numbersOf } from "./small-training.js";

/** Float64 sums in another order: some roundings of 2^-53. */
const TOLERANCE = 1e-10;
const ALL = 2 ** 20;
const SGD = { kind: "sgd", learningRate: 1e-3, nesterov: false } as const;

/** Samplers take every candidate, so that a batch's losses do not depend on its number within the step. */
const TWO_STAGE = { minSize: 40, maxSize: 80, rpnPreNmsTopNTrain: 50, rpnPostNmsTopNTrain: 20,
  rpnBatchSizePerImage: ALL, boxBatchSizePerImage: ALL } as const;
const DETECTORS = [
  ["mask-rcnn-resnet18-fpn", { detection: TWO_STAGE }],
  ["retinanet-resnet18-fpn", { detection: { minSize: 40, maxSize: 80 } }],
] as const;

/** Two images and one of another shape, so that the batches are padded to different sizes. */
const FIRST = (): DetectionBatch => ({ images: [namedImage("a", 64, 64), namedImage("b", 64, 64)],
  targets: [targetsOf({ boxes: [[4, 5, 40, 50], [30.5, 10, 60, 33.25]], labels: [1, 3] }, [64, 64]),
    targetsOf({ boxes: [], labels: [] }, [64, 64])] });
const SECOND = (): DetectionBatch => ({ images: [namedImage("c", 48, 90)],
  targets: [targetsOf({ boxes: [[10, 2, 70, 40]], labels: [2] }, [48, 90])] });

describe("several batches of a detector for one optimizer step", function () {
  this.timeout(240_000);

  for (const [name, options] of DETECTORS) {
    it(`take the mean of their losses and gradients, weighted by their images: ${name}`, async () => {
      const step = async (batches: DetectionBatch[]) => {
        using detector = await createDetector(name, { numClasses: 4, seed: 1, dtype: "float64", ...options });
        using session = await createSession({ model: detector, threads: 1, optimizer: SGD });
        const { losses, step: count } = await session.step(batches);
        expect(count).to.equal(1);
        return { losses: losses as unknown as Record<string, number>, gradients: numbersOf(await session.gradients()),
          names: session.task.losses.map((loss) => loss.name) };
      };
      const [first, second] = [await step([FIRST()]), await step([SECOND()])];
      const both = await step([FIRST(), SECOND()]);
      const mean = (one: number, other: number): number => (2 * one + other) / 3;
      for (const loss of ["total", ...both.names]) {
        const expected = mean(first.losses[loss]!, second.losses[loss]!);
        expect(both.losses[loss]! / expected, loss).to.be.closeTo(1, TOLERANCE);
      }
      expect(Object.keys(both.gradients)).to.deep.equal(Object.keys(first.gradients));
      for (const [parameter, gradient] of Object.entries(both.gradients)) {
        const expected = first.gradients[parameter]!.map((value, i) => mean(value, second.gradients[parameter]![i]!));
        expect(largestDifference(gradient, expected), parameter).to.be.below(TOLERANCE);
      }
    });
  }

  it("move the normalizer of detectron2's RetinaNet once each, as parts of a batch do", async () => {
    const session = async (microBatches: number): Promise<Session<Detector>> =>
      createSession({
        model: await createDetector("retinanet-resnet18-fpn", { numClasses: 4, seed: 1, dtype: "float64",
          flavor: "detectron2", detection: { minSize: 40, maxSize: 80, imageStd: [57.375, 57.12, 58.395] } }),
        threads: 1,
        microBatches,
        optimizer: SGD,
      });
    const { images, targets } = FIRST();
    const parts = images.map((image, i): DetectionBatch => ({ images: [image], targets: [targets[i]!] }));
    const [several, one] = [await session(1), await session(2)];
    for (let step = 0; step < 2; ++step)
      expect((await several.step(parts)).losses).to.deep.equal((await one.step({ images, targets })).losses);
    expect(numbersOf(await several.gradients())).to.deep.equal(numbersOf(await one.gradients()));
  });

  it("refuse none, and what is no batch", async () => {
    using detector = await createDetector("retinanet-resnet18-fpn", { numClasses: 4 });
    using session = await createSession({ model: detector, threads: 1 });
    for (const wrong of [[], null, undefined, 5, "images", [FIRST(), null], [[FIRST()]]])
      await failureOf("INVALID_ARGUMENT", () => session.step(wrong as never));
    expect((await session.position()).totalSteps).to.equal(0);
  });
});

describe("an epoch of a detector with accumulated batches", () => {
  async function trained(epochs: number,
    { batchSize, ...accumulation }: { batchSize: number; microBatches?: number; accumulateBatches?: number }
  ): Promise<{ summary: EpochSummary; weights: Record<string, Float64Array> }> {
    using data = await loadDataset({ kind: "scenes", numClasses: 2, trainSamples: 10, testSamples: 1, imageSize: 64 });
    // Samples are drawn, by the number of the part within its step.
    using detector = await createDetector("faster-rcnn-resnet18-fpn", { numClasses: 3, seed: 1,
      detection: { minSize: 64, maxSize: 64, rpnBatchSizePerImage: 32, boxBatchSizePerImage: 16 } });
    using session = await createSession({ model: detector, threads: 1, optimizer: { ...SGD, learningRate: 0.01 },
      ...accumulation });
    let summary: EpochSummary | undefined;
    for (let epoch = 0; epoch < epochs; ++epoch)
      summary = await session.trainEpoch(data, { epoch, epochs, batchSize, seed: 3, schedule: { kind: "cosine" } });
    return { summary: summary!, weights: numbersOf(await detector.stateDict()) };
  }

  it("takes the same steps, bit for bit, as large batches in as many parts", async () => {
    const several = await trained(2, { batchSize: 2, accumulateBatches: 5 });
    const one = await trained(2, { batchSize: 10, microBatches: 5 });
    expect([several.summary.step, several.summary.steps, several.summary.images]).to.deep.equal([1, 1, 10]);
    expect(several.summary.losses).to.deep.equal(one.summary.losses);
    expect(several.weights).to.deep.equal(one.weights);
  });

  it("averages the batches that are left in its last step", async () => {
    const { summary } = await trained(1, { batchSize: 2, accumulateBatches: 3 });
    expect([summary.step, summary.steps, summary.images]).to.deep.equal([2, 2, 10]);
  });
});
