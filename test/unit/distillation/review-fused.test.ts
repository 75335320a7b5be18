import { expect } from "chai";
import { createSession, type Distiller } from "../../../lib/index.js";
import { goldenImages, labelTensor } from "../../support/deterministic.js";
import { failureOf } from "../../support/errors.js";
import { filledDistiller, mapsOf, setEntries, silence } from "../../support/networks.js";
import { expectAllNear, valuesOf } from "../../support/numeric.js";
import { referenceStacks } from "../../support/review-reference.js";

// Odd sizes, so that deeper maps are resized unevenly.
const IMAGES = goldenImages(3, [7, 10]);
const PAIR = { teacher: "resnet8x4", student: "resnet8" };

/** Copies the parameters of (d) to each stack of (c): the fusion of student stage i to every stack that has one. */
async function copyIntoStacks(review: Distiller, fused: Distiller): Promise<void> {
  const from = await review.stateDict();
  const names = Object.keys(await fused.stateDict());
  const copied = Object.fromEntries(names.map((name) => [name, from[name.replace(/^stacks\.\d+\./, "abfs.")]!]));
  await fused.loadStateDict(copied);
}

describe("fused review", () => {
  it("gives the maps computed by hand", async () => {
    // All maps are 0, so a fusion's first convolution leaves its normalization's shift: 1, 2, 3 and 4 from the
    // deepest stage on in every stack. Added up: U_4 fuses 1; U_3 fuses 1 + 2 = 3; U_2 6; U_1 10. Without weights in
    // the output convolution, outputs are its shift: ½ of that here, against 0.
    const distiller = await filledDistiller({
      method: { kind: "review-fused", fusion: "sum", distance: "l2", midChannels: 1, warmupEpochs: 0 },
    });
    await silence(distiller.teacher);
    await silence(distiller.student);
    const shifts = [0, 1, 2, 3].flatMap((j) =>
      [0, 1, 2, 3].slice(0, j + 1).map((k) => [`stacks.${j}.${k}.conv1.1.bias`, k + 1] as const)
    );
    await setEntries(distiller, Object.fromEntries(shifts));
    const ends = [0, 1, 2, 3].flatMap((j) =>
      [
        [`stacks.${j}.${j}.conv2.0.weight`, 0],
        [`stacks.${j}.${j}.conv2.1.bias`, ((j + 1) * (j + 2)) / 4],
      ] as const
    );
    await setEntries(distiller, Object.fromEntries(ends));
    const { terms } = await distiller.forward(goldenImages(2, [8, 8]));
    // Shallow to deep: (10 / 2)², (6 / 2)², (3 / 2)², (1 / 2)².
    expectAllNear(terms[0]!.perStage, [25, 9, 2.25, 0.25], 1e-14, "losses by stage");
  });

  for (const fusion of ["abf", "sum"] as const) {
    for (const distance of ["hcl", "l2"] as const) {
      it(`agrees with the readable reference, fused by ${fusion}, compared by ${distance}`, async () => {
        const distiller = await filledDistiller({ ...PAIR,
          method: { kind: "review-fused", fusion, distance, midChannels: 8, warmupEpochs: 0 } });
        const { student, teacher } = await mapsOf(distiller, IMAGES);
        const want = referenceStacks(await distiller.stateDict(), student, teacher, distance);
        const { reviewOutputs, perStage } = await distiller.forward(IMAGES);
        for (const [stage, output] of want.outputs.entries()) {
          // Normalization over few values multiplies the rounding of 1e-16 by up to 1e4.
          expectAllNear(valuesOf(reviewOutputs[stage]!), output.values, 1e-10, `output of stage ${stage}`);
        }
        expectAllNear(perStage, want.losses, 1e-10, "losses by stage");
      });
    }

    it(`computes exactly what review does if its stacks hold review's parameters, fused by ${fusion}`, async () => {
      const method = { fusion, midChannels: 8, warmupEpochs: 0 } as const;
      const review = await filledDistiller({ ...PAIR, method: { kind: "review", ...method } });
      const fused = await filledDistiller({ ...PAIR, method: { kind: "review-fused", ...method } });
      await copyIntoStacks(review, fused);
      const [want, got] = [await review.forward(IMAGES), await fused.forward(IMAGES)];
      expect(got.perStage).to.deep.equal(want.perStage);
      expect(got.reviewOutputs.map(valuesOf)).to.deep.equal(want.reviewOutputs.map(valuesOf));

      // The student's gradients are the same sums in another order.
      const gradients = await Promise.all([review, fused].map(async (distiller) => {
        using session = await createSession({ distiller });
        await session.step({ images: IMAGES, labels: labelTensor([1, 2, 3]) });
        return await session.gradients();
      }));
      for (const name of Object.keys(gradients[0]!).filter((entry) => entry.startsWith("student."))) {
        expectAllNear(valuesOf(gradients[1]![name]!), valuesOf(gradients[0]![name]!), 1e-9, name);
      }
    });
  }

  it("has a stack of fusions per stage, of which only the last has an output convolution", async () => {
    const state = await (await filledDistiller({ ...PAIR, method: { kind: "review-fused" } })).stateDict();
    const parts = Object.keys(state).filter((name) => name.startsWith("stacks.") && name.endsWith(".0.weight"));
    const want = [0, 1, 2, 3].flatMap((j) =>
      [0, 1, 2, 3].slice(0, j + 1).flatMap((k) => [
        `stacks.${j}.${k}.conv1.0.weight`,
        ...(k === j ? [`stacks.${j}.${k}.conv2.0.weight`] : []),
        ...(k > 0 ? [`stacks.${j}.${k}.att_conv.0.weight`] : []),
      ])
    );
    expect(parts).to.have.members(want);
    // The deepest stage's stack first: 256, 256, 128 and 64 channels of the teacher.
    expect([0, 1, 2, 3].map((j) => state[`stacks.${j}.${j}.conv2.0.weight`]!.shape[0])).to.deep.equal([256, 256, 128,
      64]);
  });

  it("needs more than one image for pooled maps", async () => {
    const distiller = await filledDistiller({ method: { kind: "review-fused" } });
    const { message } = await failureOf("BATCH_TOO_SMALL", () => distiller.forward(goldenImages(1, [8, 8])));
    expect(message).to.contain("stage pool is 1×1");
  });
});
