import { expect } from "chai";
import { createSession } from "../../../lib/index.js";
import type { ModelDType } from "../../../lib/config/schemas/common.js";
import { goldenImages, labelTensor } from "../../support/deterministic.js";
import { expectSummary, readReviewGolden, reviewPairs } from "../../support/golden.js";
import { concatenate, convolve, FeatureMap, normalizeBatch, referenceHcl, resizeNearest } from "../../support/maps.js";
import { filledDistiller, mapsOf, type ReviewOptions } from "../../support/networks.js";
import { expectAllNear, expectNear, normOf, valuesOf } from "../../support/numeric.js";
import { referenceReview } from "../../support/review-reference.js";

// float64 on both sides: the difference is the order of summation. Normalization over few values multiplies the
// rounding of 1e-16 by up to 1e4.
const TOLERANCE = 1e-10;
const FLOAT32_TOLERANCE = 3e-4;
const FLOAT32_GRADIENT_TOLERANCE = 3e-3;
/**
 * Their deepest normalizations cover a dozen values: with AVX-512, PyTorch's own float32 operations differ by up to
 * 0.016 from float64, ours by up to 0.0504.
 */
const ILL_CONDITIONED: Readonly<Record<string, number>> = { "mobilenetv1--mobilenetv2-half": 0.08,
  "shufflenetv2--shufflenetv1": 0.02 };
/** The same of values in the forward pass: 4.6e-4 by PyTorch 2.14.1 with two threads and AVX-512. */
const ILL_CONDITIONED_FORWARD = 1e-3;

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
      teacher: "resnet8",
      student: "resnet8",
      batch: 3,
      size: [5, 9],
      method: { midChannels: 8, studentFeatures: "before", teacherFeatures: "after" },
    },
    { teacher: "resnet14", student: "resnet8", batch: 3, size: [7, 10], method: { midChannels: 8, fusion: "sum" } },
    { teacher: "resnet8", student: "resnet8", batch: 2, size: [8, 8], method: { midChannels: 8, distance: "l2" } },
  ];

  for (const { teacher, student, batch, size, method } of CASES) {
    const name = `${teacher} → ${student} at ${size.join("×")}${method === undefined ? "" : `, ${JSON.stringify(method)}`}`;
    it(`agrees with the readable reference: ${name}`, async () => {
      const distiller = await filledDistiller({ teacher, student, ...(method && { method }) });
      const images = goldenImages(batch, size);
      const maps = await mapsOf(distiller, images, method);
      const output = await distiller.forward(images);

      const reference = referenceReview(await distiller.stateDict(), maps.student, maps.teacher, method?.distance);
      expect(output.reviewOutputs).to.have.length(4);
      for (const [stage, want] of reference.outputs.entries()) {
        expect(output.reviewOutputs[stage]!.shape).to.deep.equal(want.shape);
        expectAllNear(valuesOf(output.reviewOutputs[stage]!), want.values, TOLERANCE, `output of stage ${stage}`);
      }
      expectAllNear(output.perStage, reference.losses, TOLERANCE, "losses by stage");
    });
  }

  for (const fusion of ["abf", "sum"] as const) {
    it(`equals, for two stages, the formula without recursion, fused by ${fusion}`, async () => {
      // The output of the two deepest stages does not depend on shallower ones; weights of 0 leave only these two in
      // the loss.
      const distiller = await filledDistiller({ teacher: "resnet14",
        method: { midChannels: 8, fusion, stageWeights: [0, 0, 1, 1] } });
      const images = goldenImages(3, [9, 12]);
      const state = await distiller.stateDict();
      const [F_s1, F_s2] = (await mapsOf(distiller, images)).student.slice(2);
      const [F_t1, F_t2] = (await mapsOf(distiller, images)).teacher.slice(2);

      const weight = (name: string): FeatureMap => FeatureMap.of(state[name]!);
      const numbers = (name: string): number[] => valuesOf(state[name]!);
      const norm = (map: FeatureMap, name: string): FeatureMap =>
        normalizeBatch(map, numbers(`${name}.weight`), numbers(`${name}.bias`));
      const r2 = norm(convolve(F_s2!, weight("abfs.0.conv1.0.weight")), "abfs.0.conv1.1"); // 1×1, as the teacher's
      const out2 = norm(convolve(r2, weight("abfs.0.conv2.0.weight")), "abfs.0.conv2.1");
      const x = norm(convolve(F_s1!, weight("abfs.1.conv1.0.weight")), "abfs.1.conv1.1");
      const share = (part: 0 | 1): (n: number, y: number, column: number) => number => {
        if (fusion === "sum") return () => 1;
        const z = convolve(concatenate(x, resizeNearest(r2, x.h, x.w)), weight("abfs.1.att_conv.0.weight"),
          numbers("abfs.1.att_conv.0.bias"));
        return (n, y, column) => 1 / (1 + Math.exp(-z.at(n, part, y, column)));
      };
      const [own, deeper] = [share(0), share(1)];
      const r1 = FeatureMap.from(...x.shape, (n, c, y, column) =>
        x.at(n, c, y, column) * own(n, y, column) + r2.at(n, c, 0, 0) * deeper(n, y, column));
      const out1 = norm(convolve(r1, weight("abfs.1.conv2.0.weight")), "abfs.1.conv2.1");

      const { terms, reviewOutputs } = await distiller.forward(images);
      expectAllNear(valuesOf(reviewOutputs[2]!), out1.values, TOLERANCE, "shallower output");
      expectAllNear(valuesOf(reviewOutputs[3]!), out2.values, TOLERANCE, "deeper output");
      expectNear(terms[0]!.loss, referenceHcl(out1, F_t1!) + referenceHcl(out2, F_t2!), TOLERANCE, "loss");
    });
  }

  it("weights stages as configured, and reports them unweighted", async () => {
    const images = goldenImages(2, [8, 8]);
    const plain = await (await filledDistiller()).forward(images);
    const weighted = await (await filledDistiller({ method: { stageWeights: [3, 0, 0.5, 2] } })).forward(images);
    expect(weighted.perStage).to.deep.equal(plain.perStage);
    const [a, , c, d] = plain.perStage;
    expectNear(weighted.terms[0]!.loss, 3 * a! + 0.5 * c! + 2 * d!, 1e-14, "loss"); // a few roundings
  });
});

describe("the review goldens", () => {
  it("cover equal and different channels, a non-square image and every switch", () => {
    expect(reviewPairs()).to.include.members([
      "resnet20--resnet8",
      "resnet32x4--resnet8x4",
      "resnet8x4--resnet14",
      "resnet14--resnet8--switched",
    ]);
  });

  interface Arithmetic {
    readonly dtype: ModelDType;
    readonly tolerance: number;
    readonly gradientTolerance: number;
  }
  const ARITHMETICS: readonly Arithmetic[] = [
    { dtype: "float64", tolerance: TOLERANCE, gradientTolerance: 1e-9 },
    // The fast path: rounding of 6e-8, which normalization over few values multiplies as above.
    { dtype: "float32", tolerance: FLOAT32_TOLERANCE, gradientTolerance: FLOAT32_GRADIENT_TOLERANCE },
  ];

  for (const { dtype, tolerance, gradientTolerance } of ARITHMETICS) {
    for (const pair of reviewPairs()) {
      it(`agrees with PyTorch in ${dtype} to ${tolerance}: ${pair}`, async () => {
        const golden = readReviewGolden(pair);
        const isIllConditioned = dtype === "float32" && pair in ILL_CONDITIONED;
        const forwardTolerance = isIllConditioned ? ILL_CONDITIONED_FORWARD : tolerance;
        const { teacher, student, numClasses, switches, weight } = golden;
        const parts = { teacher, student, numClasses, dtype, method: { ...switches, weight } };
        const images = goldenImages(golden.batch, golden.imageSize);

        const distiller = await filledDistiller(parts);
        expect(distiller.trainingOnlyParameterCount()).to.equal(golden.trainingOnlyParameters);
        const output = await distiller.forward(images);
        expectSummary(output.teacherLogits, golden.teacherLogits, forwardTolerance, "teacher's logits");
        expectSummary(output.studentLogits, golden.studentLogits, forwardTolerance, "student's logits");
        expect(output.reviewOutputs).to.have.length(golden.outputs.length);
        for (const [stage, want] of golden.outputs.entries())
          expectSummary(output.reviewOutputs[stage]!, want, forwardTolerance, `output of stage ${stage}`);
        expectAllNear(output.perStage, golden.losses.perStage, forwardTolerance, "losses by stage");

        const session = await createSession({ distiller: await filledDistiller(parts) });
        const { losses } = await session.step({ images, labels: labelTensor(golden.labels) });
        expectNear(losses.crossEntropy, golden.losses.crossEntropy, forwardTolerance, "cross entropy");
        expectAllNear(losses.perStage, golden.losses.perStage, forwardTolerance, "losses by stage in a step");
        expectNear(losses.total, golden.losses.total, forwardTolerance, "total");

        const gradients = await session.gradients();
        expect(Object.keys(gradients)).to.have.members(Object.keys(golden.gradientNorms));
        // A gradient can be zero up to rounding; such a norm is compared relative to the size of its neighbours.
        const allowed = (dtype === "float32" ? ILL_CONDITIONED[pair] : undefined) ?? gradientTolerance;
        const floor = 1e-5 * Math.max(...Object.values(golden.gradientNorms));
        for (const [name, want] of Object.entries(golden.gradientNorms)) {
          expectNear(normOf(valuesOf(gradients[name]!)), want, allowed, `gradient of ${name}`, floor);
        }
        session.dispose();
      });
    }
  }
});
