import { expect } from "chai";
import { createSession, listMethods } from "../../../lib/index.js";
import { goldenImages, labelTensor } from "../../support/deterministic.js";
import { expectSummary, methodGoldens, readMethodGolden } from "../../support/golden.js";
import { filledDistiller } from "../../support/networks.js";
import { expectAllNear, expectNear, normOf, sumOf, valuesOf } from "../../support/numeric.js";

// float64 on both sides: the difference is the order of summation. Normalization over few values multiplies the
// rounding of 1e-16 by up to 1e4.
const TOLERANCE = 1e-10;

describe("the goldens of the methods", () => {
  it("cover every method", () => {
    // review by itself has its own goldens, by pairs of networks.
    const kinds = new Set(methodGoldens().map((name) => name.split("--")[0]));
    expect([...kinds]).to.have.members(listMethods().map(({ kind }) => kind));
  });

  for (const name of methodGoldens()) {
    it(`agree with PyTorch: ${name}`, async () => {
      const golden = readMethodGolden(name);
      const images = goldenImages(golden.batch, golden.imageSize);
      const labels = labelTensor(golden.labels);

      const { terms, reviewOutputs } = await (await filledDistiller(golden)).forward(images, { labels });
      expect(terms.map(({ kind }) => kind)).to.deep.equal(golden.losses.terms.map(({ kind }) => kind));
      for (const [k, want] of golden.losses.terms.entries()) {
        expectNear(terms[k]!.loss, want.loss, TOLERANCE, `loss of term ${k}`);
        expectAllNear(terms[k]!.perStage, want.perStage, TOLERANCE, `losses by stage of term ${k}`);
      }
      expect(reviewOutputs).to.have.length(golden.outputs.length);
      for (const [i, want] of golden.outputs.entries())
        expectSummary(reviewOutputs[i]!, want, TOLERANCE, `output ${i}`);

      using session = await createSession({ distiller: await filledDistiller(golden) });
      const { losses } = await session.step({ images, labels });
      expectNear(losses.crossEntropy, golden.losses.crossEntropy, TOLERANCE, "cross entropy");
      expectNear(losses.total, golden.losses.total, TOLERANCE, "total");
      expectNear(losses.total, losses.crossEntropy + losses.distillationWeight * losses.distillation, TOLERANCE,
        "total of its parts");
      expectNear(losses.distillation * losses.distillationWeight, sumOf(losses.terms.map(({ loss, weight }) =>
        loss * weight
      )), TOLERANCE, "terms");
      expect(losses.perStage).to.deep.equal(losses.terms.flatMap(({ perStage }) => perStage));

      const gradients = await session.gradients();
      expect(Object.keys(gradients)).to.have.members(Object.keys(golden.gradientNorms));
      // A gradient can be zero up to rounding; such a norm is compared relative to the size of its neighbours.
      const floor = 1e-5 * Math.max(...Object.values(golden.gradientNorms));
      for (const [entry, want] of Object.entries(golden.gradientNorms)) {
        expectNear(normOf(valuesOf(gradients[entry]!)), want, 1e-9, `gradient of ${entry}`, floor);
      }
    });
  }
});
