import { expect } from "chai";
import { createDistiller, createModel } from "../../../lib/index.js";
import type { MethodInput } from "../../../lib/config/schemas/method.js";
import { goldenImages } from "../../support/deterministic.js";
import { filledDistiller, mapsOf, setEntries, silence } from "../../support/networks.js";
import { expectAllNear, expectNear, largestOf, rmsOf, sumOf, valuesOf } from "../../support/numeric.js";
import { referencePairs } from "../../support/review-reference.js";

const IMAGES = goldenImages(2, [8, 8]);

/** Pairs (i, j) by the definitions, for four stages. */
const PAIRS = {
  "single-layer": [[4, 4]],
  "multi-layer": [[1, 1], [2, 2], [3, 3], [4, 4]],
  "review-stage": [[4, 1], [4, 2], [4, 3], [4, 4]],
  "review-pairs": [[1, 1], [2, 1], [2, 2], [3, 1], [3, 2], [3, 3], [4, 1], [4, 2], [4, 3], [4, 4]],
} as const satisfies Partial<Record<MethodInput["kind"], readonly (readonly [number, number])[]>>;
const KINDS = Object.keys(PAIRS) as (keyof typeof PAIRS)[];

describe("a transform of stage pairs", () => {
  it("gives the distance computed by hand", async () => {
    // The teacher's maps are 0. The student's last normalization shifts by 2, which the pool keeps: 64 channels of 2
    // times a weight of 1/256 give ½, and the bias of ¼ gives ¾. The mean of (¾ - 0)² is 9/16.
    const distiller = await filledDistiller({ method: { kind: "single-layer", warmupEpochs: 0 } });
    await silence(distiller.teacher);
    await silence(distiller.student);
    await setEntries(distiller, { "student.layer3.0.bn2.bias": 2, "transforms.0.weight": 1 / 256,
      "transforms.0.bias": 0.25 });
    const { terms, reviewOutputs } = await distiller.forward(IMAGES);
    expect(new Set(valuesOf(reviewOutputs[0]!))).to.deep.equal(new Set([0.75]));
    expect(terms).to.deep.equal([{ kind: "single-layer", loss: 9 / 16, perStage: [9 / 16] }]);
  });

  for (const distance of ["l2", "hcl"] as const) {
    it(`sums squares by stage of the teacher, as computed by hand, with distance ${distance}`, async () => {
      // All maps are 0, so the output of pair k is its bias k + 1 everywhere; averages of a constant map are equal to
      // it.
      for (const kind of KINDS) {
        const distiller = await filledDistiller({ teacher: "resnet8x4", method: { kind, distance, warmupEpochs: 0 } });
        await silence(distiller.teacher);
        await silence(distiller.student);
        await setEntries(distiller, Object.fromEntries(PAIRS[kind].map((_, k) => [`transforms.${k}.bias`, k + 1])));
        const { terms } = await distiller.forward(IMAGES);
        const byStage = new Map<number, number>();
        PAIRS[kind].forEach(([, j], k) => byStage.set(j, (byStage.get(j) ?? 0) + (k + 1) ** 2));
        const want = [...byStage].sort(([a], [b]) => a - b).map(([, loss]) => loss);
        // Squares of small numbers; hcl divides by a sum of weights.
        expectAllNear(terms[0]!.perStage, want, 1e-14, kind);
        expectNear(terms[0]!.loss, sumOf(want), 1e-14, kind);
      }
    });
  }

  it("is a 1×1 convolution with bias from the student's channels to the teacher's", async () => {
    const shapes = async (method: MethodInput): Promise<unknown> => {
      const state = await (await filledDistiller({ teacher: "resnet8x4", method })).stateDict();
      return Object.entries(state).filter(([name]) => !name.startsWith("student.")).map((
        [name, { shape }],
      ) => [name, shape]);
    };
    expect(await shapes({ kind: "review-stage", stage: 2 })).to.deep.equal([
      ["transforms.0.weight", [64, 32, 1, 1]],
      ["transforms.0.bias", [64]],
      ["transforms.1.weight", [128, 32, 1, 1]],
      ["transforms.1.bias", [128]],
    ]);
    expect(await shapes({ kind: "single-layer", stage: 1, teacherStage: 4 })).to.deep.equal([
      ["transforms.0.weight", [256, 16, 1, 1]],
      ["transforms.0.bias", [256]],
    ]);
  });

  it("is initialised from ±√(3 / fan_in) with biases of 0", async () => {
    const [teacher, student] = [await createModel("resnet8x4"), await createModel("resnet8", { seed: 1 })];
    const distiller = await createDistiller({ teacher, student, method: { kind: "multi-layer" }, seed: 3 });
    const state = await distiller.stateDict();
    for (const [k, channels] of [16, 32, 64, 64].entries()) {
      const values = valuesOf(state[`transforms.${k}.weight`]!);
      const bound = Math.sqrt(3 / channels);
      expect(largestOf(values)).to.be.within(0.95 * bound, bound * (1 + 1e-7)); // float32 rounds the bound itself
      // Uniform; at least 1024 values, so that 0.1 is more than five standard errors.
      expect((rmsOf(values) * Math.sqrt(3)) / bound).to.be.closeTo(1, 0.1);
      expect(new Set(valuesOf(state[`transforms.${k}.bias`]!))).to.deep.equal(new Set([0]));
    }
  });
});

describe("methods on stage pairs", () => {
  for (const kind of KINDS) {
    for (const distance of ["l2", "hcl"] as const) {
      it(`agree with the readable reference: ${kind} by ${distance}`, async () => {
        // Odd sizes, so that maps are resized unevenly; different channels on both sides.
        const images = goldenImages(2, [7, 10]);
        const distiller = await filledDistiller({ teacher: "resnet8x4", student: "resnet14",
          method: { kind, distance, warmupEpochs: 0 } });
        const { student, teacher } = await mapsOf(distiller, images);
        const want = referencePairs(await distiller.stateDict(), PAIRS[kind], student, teacher, distance);
        const { reviewOutputs, perStage } = await distiller.forward(images);
        expect(reviewOutputs).to.have.length(want.outputs.length);
        for (const [k, output] of want.outputs.entries()) {
          expect(reviewOutputs[k]!.shape).to.deep.equal(output.shape);
          expectAllNear(valuesOf(reviewOutputs[k]!), output.values, 1e-12, `output ${k}`); // sums of up to 64 products
        }
        expectAllNear(perStage, want.losses, 1e-12, "losses by stage");
      });
    }
  }

  it("use the configured stages", async () => {
    const images = goldenImages(2, [9, 9]);
    for (const [method, pairs] of [
      [{ kind: "single-layer", stage: 2 }, [[2, 2]]],
      [{ kind: "single-layer", stage: 3, teacherStage: 1 }, [[3, 1]]],
      [{ kind: "single-layer", teacherStage: 2 }, [[4, 2]]],
      [{ kind: "review-stage", stage: 1 }, [[1, 1]]],
      [{ kind: "review-stage", stage: 3 }, [[3, 1], [3, 2], [3, 3]]],
    ] as const) {
      const distiller = await filledDistiller({ teacher: "resnet8x4", method });
      const { student, teacher } = await mapsOf(distiller, images);
      const want = referencePairs(await distiller.stateDict(), pairs, student, teacher, "l2");
      expectAllNear((await distiller.forward(images)).perStage, want.losses, 1e-12, JSON.stringify(method));
    }
  });

  it("use either side of both activations", async () => {
    const taps = { studentFeatures: "before", teacherFeatures: "after" } as const;
    const distiller = await filledDistiller({ method: { kind: "multi-layer", ...taps } });
    const { student, teacher } = await mapsOf(distiller, IMAGES, taps);
    const want = referencePairs(await distiller.stateDict(), PAIRS["multi-layer"], student, teacher, "l2");
    expectAllNear((await distiller.forward(IMAGES)).perStage, want.losses, 1e-12, "losses by stage");
  });

  it("weight the teacher's stages and may use only the first", async () => {
    const distiller = await filledDistiller({
      method: { kind: "review-stage", stage: 2, stageWeights: [3, 0.5, 100, 1000] },
    });
    const { terms } = await distiller.forward(IMAGES);
    const [first, second] = terms[0]!.perStage;
    expect(terms[0]!.perStage).to.have.length(2);
    expectNear(terms[0]!.loss, 3 * first! + 0.5 * second!, 1e-14, "loss");
  });

  it("need no second image, because they normalize nothing", async () => {
    for (const kind of KINDS) {
      const { perStage } = await (await filledDistiller({ method: { kind } })).forward(goldenImages(1, [8, 8]));
      expect(perStage.every((loss) => loss > 0), kind).to.equal(true);
    }
  });
});
