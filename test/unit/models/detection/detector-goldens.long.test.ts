// Compares detectors with torchvision's, and with detectron2's rules on torchvision's modules, for the same weights.
import { expect } from "chai";
import { createSession, type Detector, type ModelDType, type StepResult } from "../../../../lib/index.js";
import { filledDetector, namedImage, targetsOf, type TargetTensors } from "../../../support/detectors.js";
import { detectorGoldens, expectSummary, readDetectorGolden, type DetectorGolden } from "../../../support/golden.js";
import { expectAllNear, expectNear, normOf, valuesOf } from "../../../support/numeric.js";

// float64 on both sides: the difference is the order of summation, which 20 layers turn from 1e-16 into at most 1e-13.
const FLOAT64_TOLERANCE = 1e-10;
// float32 rounds to 6e-8, which the same growth turns into 6e-5. Where two overlaps are equal but for rounding, an
// anchor or region more or less belongs to an object, one of some thirty.
const FLOAT32_PYRAMID = 1e-4;
const FLOAT32_LOSS = 0.05;

const NAMES: Readonly<Record<string, string>> = { box_reg: "boxReg", rpn_box_reg: "rpnBoxReg",
  bbox_regression: "bboxRegression" };
const lossName = (name: string): string => NAMES[name] ?? name;

const build = async (golden: DetectorGolden, dtype: ModelDType): Promise<Detector> =>
  filledDetector(golden.detector, { dtype, numClasses: golden.numClasses, flavor: golden.flavor,
    detection: golden.detection });

const imagesOf = ({ images }: DetectorGolden) =>
  images.map(({ image, height, width }) => namedImage(image, height, width));

function allTargets({ detector, images }: DetectorGolden): TargetTensors[] {
  const hasMasks = detector.startsWith("mask-rcnn");
  return images.map((image) => targetsOf(image, hasMasks ? [image.height, image.width] : undefined));
}

function expectLosses({ losses }: StepResult, want: Readonly<Record<string, number>>, tolerance: number): void {
  let total = 0;
  for (const [name, value] of Object.entries(want)) {
    expectNear(losses[lossName(name) as keyof typeof losses] as number, value, tolerance, name);
    total += value;
  }
  expectNear(losses.total, total, tolerance, "total");
}

for (const name of detectorGoldens()) {
  const golden = readDetectorGolden(name);

  describe(`${name} against torchvision`, () => {
    // Filling tens of millions of parameters dominates the run time: tests share it; the last one trains.
    let detector: Detector;

    before(async () => {
      detector = await build(golden, "float64");
    });

    after(() => {
      detector.dispose();
    });

    it("normalizes images of several sizes and gives the pyramid of their batch", async () => {
      const { input, imageSizes, levels } = await detector.forward(imagesOf(golden));
      expect(imageSizes).to.deep.equal(golden.imageSizes);
      expectSummary(input, golden.input, FLOAT64_TOLERANCE, "input");
      expect(levels).to.have.length(golden.pyramid.length);
      for (const [i, want] of golden.pyramid.entries())
        expectSummary(levels[i]!, want, FLOAT64_TOLERANCE, `level ${i}`);
    });

    it("finds the same objects", async () => {
      const found = await detector.detect(imagesOf(golden), { maskThreshold: null });
      const binary = golden.detections.some(({ masks }) => masks) ? await detector.detect(imagesOf(golden)) : [];
      expect(found).to.have.length(golden.detections.length);
      for (const [i, want] of golden.detections.entries()) {
        const { boxes, scores, labels, masks } = found[i]!;
        expect(valuesOf(labels)).to.deep.equal(want.labels);
        expectAllNear(valuesOf(scores), want.scores, FLOAT64_TOLERANCE, `scores of image ${i}`);
        expectAllNear(valuesOf(boxes), want.boxes.flat(), FLOAT64_TOLERANCE, `boxes of image ${i}`);
        expect(masks !== undefined).to.equal(want.masks !== undefined);
        if (want.masks === undefined) continue;
        expectSummary(masks!, want.masks, FLOAT64_TOLERANCE, `masks of image ${i}`);
        const [count = 0, ...size] = binary[i]!.masks!.shape;
        const pixels = valuesOf(binary[i]!.masks!);
        const area = size.reduce((a, b) => a * b, 1);
        const areas = Array.from({ length: count }, (_, k) =>
          pixels.slice(k * area, (k + 1) * area).filter(Boolean).length);
        expect(areas).to.deep.equal(want.maskAreas);
      }
    });

    it("names its parameters and buffers alike", async () => {
      const shapes = Object.entries(await detector.stateDict()).map(([entry, { shape }]) => [entry, shape]);
      expect(Object.fromEntries(shapes)).to.deep.equal(golden.stateDict);
    });

    it("gives the pyramid and losses in float32 as well", async () => {
      using single = await build(golden, "float32");
      const { levels } = await single.forward(imagesOf(golden));
      for (const [i, want] of golden.pyramid.entries()) {
        expect(levels[i]!.dtype).to.equal("float32");
        expectSummary(levels[i]!, want, FLOAT32_PYRAMID, `level ${i}`);
      }
      using session = await createSession({ model: single, optimizer: { kind: "sgd", ...golden.optimizer } });
      expectLosses(await session.step({ images: imagesOf(golden), targets: allTargets(golden) }), golden.steps[0]!,
        FLOAT32_LOSS);
    });

    it("trains alike: losses of two steps, and the gradients of the first, of trained parameters alone", async () => {
      expect(detector.parameterCount()).to.equal(golden.parameters);
      expect(detector.parameterCount({ trainable: true })).to.equal(golden.trainedParameters);
      using session = await createSession({ model: detector, optimizer: { kind: "sgd", ...golden.optimizer } });
      const batch = { images: imagesOf(golden), targets: allTargets(golden) };
      expectLosses(await session.step(batch), golden.steps[0]!, FLOAT64_TOLERANCE);
      const gradients = await session.gradients();
      expect(Object.keys(gradients)).to.have.members(Object.keys(golden.gradientNorms));
      for (const [entry, want] of Object.entries(golden.gradientNorms))
        expectNear(normOf(valuesOf(gradients[entry]!)), want, FLOAT64_TOLERANCE, `gradient of ${entry}`);
      for (const [entry, want] of Object.entries(golden.gradients))
        expectSummary(gradients[entry]!, want, FLOAT64_TOLERANCE, `gradient of ${entry}`);
      expectLosses(await session.step(batch), golden.steps[1]!, FLOAT64_TOLERANCE);
    });
  });
}

describe("the goldens of detectors", () => {
  it("cover every kind of detector and both flavors", () => {
    const goldens = detectorGoldens().map(readDetectorGolden);
    const kinds = new Set(goldens.map(({ detector }) => detector.replace(/-[^-]+-fpn$/, "")));
    expect([...kinds]).to.have.members(["faster-rcnn", "mask-rcnn", "retinanet"]);
    expect(new Set(goldens.map(({ flavor }) => flavor)).size).to.equal(2);
    expect(goldens.every(({ images }) => images.some(({ boxes }) => boxes.length === 0))).to.equal(true);
  });
});
