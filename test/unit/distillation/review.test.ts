import { expect } from "chai";
import { createSession } from "../../../lib/index.js";
import { goldenImages, labelTensor } from "../../support/deterministic.js";
import { expectSummary, readReviewGolden, reviewPairs } from "../../support/golden.js";
import { FeatureMap } from "../../support/maps.js";
import { filledDistiller, type ReviewOptions } from "../../support/networks.js";
import { expectAllNear, expectNear, normOf, valuesOf } from "../../support/numeric.js";
import { referenceReview } from "../../support/review-reference.js";

// float64 on both sides: what differs is the order of summation. Normalization over few values multiplies the rounding of
// 1e-16 by up to 1e4.
const TOLERANCE = 1e-10;

describe("the review recursion", () => {
  interface Case {
    readonly teacher: string;
    readonly student: string;
    readonly batch: number;
    readonly size: readonly [number, number];
    readonly method?: ReviewOptions;
  }
  const CASES: readonly Case[] = [
    { teacher: "resnet8", student: "resnet8", batch: 2, size: [8, 8] },
    { teacher: "resnet8x4", student: "resnet8", batch: 2, size: [8, 8], method: { midChannels: 12 } },
    // Odd sizes: 7×10 becomes 4×5 and 2×3, so that deeper maps are resized unevenly.
    { teacher: "resnet14", student: "resnet8", batch: 3, size: [7, 10], method: { midChannels: 16 } },
    {
      teacher: "resnet8", student: "resnet8", batch: 3, size: [5, 9],
      method: { midChannels: 8, studentFeatures: "before", teacherFeatures: "after" },
    },
  ];

  for (const { teacher, student, batch, size, method } of CASES) {
    const name = `${teacher} → ${student} at ${size.join("×")}${method === undefined ? "" : `, ${JSON.stringify(method)}`}`;
    it(`agrees with the readable reference: ${name}`, async () => {
      const distiller = await filledDistiller({ teacher, student, ...(method && { method }) });
      const images = goldenImages(batch, size);
      const side = method?.studentFeatures ?? "after";
      // Train mode leaves the student's parameters alone and normalizes by the batch, so both passes give the same maps.
      const { features } = await distiller.student.forward(images, { features: true, mode: "train" });
      const output = await distiller.forward(images);

      const reference = referenceReview(
        await distiller.stateDict(), features.map((feature) => FeatureMap.of(feature[side])), output.teacherFeatures.map((map) => FeatureMap.of(map)),
      );
      expect(output.reviewOutputs).to.have.length(4);
      for (const [stage, want] of reference.outputs.entries()) {
        expect(output.reviewOutputs[stage]!.shape).to.deep.equal(want.shape);
        expectAllNear(valuesOf(output.reviewOutputs[stage]!), want.values, TOLERANCE, `output of stage ${stage}`);
      }
      expectAllNear(output.perStage, reference.losses, TOLERANCE, "losses by stage");
    });
  }
});

describe("the review goldens", () => {
  it("cover equal and other channels, an image that is not square and every switch", () => {
    expect(reviewPairs()).to.include.members([
      "resnet20--resnet8", "resnet32x4--resnet8x4", "resnet8x4--resnet14", "resnet14--resnet8--switched",
    ]);
  });

  for (const pair of reviewPairs()) {
    it(`agrees with PyTorch: ${pair}`, async () => {
      const golden = readReviewGolden(pair);
      const { teacher, student, numClasses, switches, weight } = golden;
      const parts = { teacher, student, numClasses, method: { ...switches, weight } };
      const images = goldenImages(golden.batch, golden.imageSize);

      const distiller = await filledDistiller(parts);
      expect(distiller.trainingOnlyParameterCount()).to.equal(golden.trainingOnlyParameters);
      const output = await distiller.forward(images);
      expectSummary(output.teacherLogits, golden.teacherLogits, TOLERANCE, "teacher's logits");
      expectSummary(output.studentLogits, golden.studentLogits, TOLERANCE, "student's logits");
      expect(output.reviewOutputs).to.have.length(golden.outputs.length);
      for (const [stage, want] of golden.outputs.entries()) expectSummary(output.reviewOutputs[stage]!, want, TOLERANCE, `output of stage ${stage}`);
      expectAllNear(output.perStage, golden.losses.perStage, TOLERANCE, "losses by stage");

      const session = await createSession({ distiller: await filledDistiller(parts) });
      const { losses } = await session.step({ images, labels: labelTensor(golden.labels) });
      expectNear(losses.crossEntropy, golden.losses.crossEntropy, TOLERANCE, "cross entropy");
      expectAllNear(losses.perStage, golden.losses.perStage, TOLERANCE, "losses by stage in a step");
      expectNear(losses.total, golden.losses.total, TOLERANCE, "total");

      const gradients = await session.gradients();
      expect(Object.keys(gradients)).to.have.members(Object.keys(golden.gradientNorms));
      // A gradient can be zero but for rounding; such a norm is held against the size of its neighbours.
      const floor = 1e-5 * Math.max(...Object.values(golden.gradientNorms));
      for (const [name, want] of Object.entries(golden.gradientNorms)) {
        expectNear(normOf(valuesOf(gradients[name]!)), want, 1e-9, `gradient of ${name}`, floor);
      }
      session.dispose();
    });
  }
});
