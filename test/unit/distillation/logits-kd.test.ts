import { expect } from "chai";
import { createSession, type Distiller } from "../../../lib/index.js";
import type { MethodInputOf } from "../../../lib/config/schemas/method.js";
import { goldenImages, labelTensor } from "../../support/deterministic.js";
import { failureOf } from "../../support/errors.js";
import { filledDistiller, setLogits } from "../../support/networks.js";
import { expectNear, valuesOf } from "../../support/numeric.js";
import { referenceDkd, referenceKd, rowsOf, soften } from "../../support/soft-targets.js";

// A logarithm and an exponential of float64 numbers near 1, and their mean over a few images.
const ROUNDING = 1e-12;
const IMAGES = goldenImages(3, [8, 8]);
const LABELS = [1, 3, 0];

/** A distiller whose networks produce these logits for every image. */
async function withLogits(
  method: MethodInputOf<"kd"> | MethodInputOf<"dkd">,
  student: readonly number[],
  teacher: readonly number[],
): Promise<Distiller> {
  const distiller = await filledDistiller({ numClasses: student.length, method: { warmupEpochs: 0, ...method } });
  await setLogits(distiller.student, student);
  await setLogits(distiller.teacher, teacher);
  return distiller;
}

const lossOf = async (distiller: Distiller, labels = LABELS): Promise<number> =>
  (await distiller.forward(goldenImages(labels.length, [8, 8]), { labels: labelTensor(labels) })).terms[0]!.loss;

const { log } = Math;

describe("soft targets", () => {
  it("give the loss computed by hand", async () => {
    // Teacher (½, ½), student (¼, ¾) at T = 2: KL = ½ ln(½ / ¼) + ½ ln(½ / ¾) = ½ ln(4 / 3), times T² = 4.
    const distiller = await withLogits({ kind: "kd", temperature: 2 }, [0, 2 * log(3)], [5, 5]);
    const { terms, perStage, reviewOutputs, teacherFeatures } = await distiller.forward(IMAGES);
    expectNear(terms[0]!.loss, 2 * log(4 / 3), ROUNDING, "loss");
    expect([terms[0]!.kind, terms[0]!.perStage, perStage, reviewOutputs, teacherFeatures]).to.deep.equal(["kd", [], [],
      [], []]);
  });

  it("cost nothing if both agree", async () => {
    expect(await lossOf(await withLogits({ kind: "kd" }, [1, -2, 3, 0], [1, -2, 3, 0]))).to.equal(0);
    expect(await lossOf(await withLogits({ kind: "dkd" }, [1, -2, 3, 0], [1, -2, 3, 0]))).to.equal(0);
  });

  for (const temperature of [1, 4, 9.5]) {
    it(`agree with the readable reference at a temperature of ${temperature}`, async () => {
      const distiller = await filledDistiller({ teacher: "resnet14", numClasses: 4,
        method: { kind: "kd", temperature } });
      const { terms, studentLogits, teacherLogits } = await distiller.forward(IMAGES);
      expectNear(terms[0]!.loss, referenceKd(studentLogits, teacherLogits, temperature), ROUNDING, "loss");
    });
  }

  it("add no parameter, and work on a single image", async () => {
    for (const kind of ["kd", "dkd"] as const) {
      const distiller = await filledDistiller({ method: { kind } });
      expect(distiller.trainingOnlyParameterCount()).to.equal(0);
      expect(Object.keys(await distiller.stateDict()).every((name) => name.startsWith("student."))).to.equal(true);
      expect(await lossOf(distiller, [2])).to.be.above(0);
    }
  });
});

describe("decoupled soft targets", () => {
  it("give the loss computed by hand", async () => {
    // Label 0; teacher (½, ¼, ¼), student (¼, ¼, ½). Label against rest: (½, ½) and (¼, ¾), TCKD = ½ ln(4 / 3).
    // Within the rest: (½, ½) and (⅓, ⅔), NCKD = ½ ln(3 / 2) + ½ ln(3 / 4) = ½ ln(9 / 8).
    const options = { kind: "dkd", temperature: 3, alpha: 2, beta: 5 } as const;
    const distiller = await withLogits(options, [0, 0, 3 * log(2)], [3 * log(2), 0, 0]);
    expectNear(await lossOf(distiller, [0, 0]), 9 * (2 * 0.5 * log(4 / 3) + 5 * 0.5 * log(9 / 8)), ROUNDING, "loss");
  });

  for (const [alpha, beta, temperature] of [[1, 8, 4], [0, 1, 1], [1, 0, 2]] as const) {
    it(`agree with the readable reference for α = ${alpha}, β = ${beta}, T = ${temperature}`, async () => {
      const distiller = await filledDistiller({ teacher: "resnet14", numClasses: 4,
        method: { kind: "dkd", alpha, beta, temperature } });
      const { terms, studentLogits, teacherLogits } = await distiller.forward(IMAGES, { labels: labelTensor(LABELS) });
      const { tckd, nckd } = referenceDkd(studentLogits, teacherLogits, LABELS, temperature);
      expectNear(terms[0]!.loss, temperature ** 2 * (alpha * tckd + beta * nckd), ROUNDING, "loss");
    });
  }

  it("equal plain soft targets for one image with α = 1 and β = 1 - p of the teacher's label", async () => {
    const temperature = 4;
    for (const label of [0, 1, 2, 3]) {
      const kd = await filledDistiller({ teacher: "resnet14", numClasses: 4, method: { kind: "kd", temperature } });
      const { terms, teacherLogits } = await kd.forward(goldenImages(1, [8, 8]));
      const beta = 1 - soften(rowsOf(teacherLogits)[0]!, temperature)[label]!;
      const dkd = await filledDistiller({ teacher: "resnet14", numClasses: 4,
        method: { kind: "dkd", temperature, alpha: 1, beta } });
      expectNear(await lossOf(dkd, [label]), terms[0]!.loss, ROUNDING, `label ${label}`);
    }
  });

  it("stay exact for logits of ±1e4", async () => {
    // Label 0. Teacher (1e4, -1e4, 0): all but e^-1e4 on the label. Student (-1e4, 1e4, 0): odds of e^-2e4 for it.
    // TCKD = 2e4. Within the rest, the teacher has (-1e4, 0), all on class 2; the student (1e4, 0), log-probability
    // -1e4 there: NCKD = 1e4.
    const options = { kind: "dkd", temperature: 1, alpha: 1, beta: 8 } as const;
    const distiller = await withLogits(options, [-1e4, 1e4, 0], [1e4, -1e4, 0]);
    expect(await lossOf(distiller, [0, 0])).to.equal(2e4 + 8 * 1e4);
    // Label 1: the teacher has all on the rest, the student e^-1e4: TCKD = 1e4. Within the rest the teacher has (1e4,
    // 0), the student (-1e4, 0): NCKD = 1e4.
    expect(await lossOf(distiller, [1, 1])).to.equal(1e4 + 8 * 1e4);
    using session = await createSession({ distiller, optimizer: { kind: "sgd", learningRate: 1e-6 } });
    await session.step({ images: goldenImages(2, [8, 8]), labels: labelTensor([0, 0]) });
    for (const [name, gradient] of Object.entries(await session.gradients())) {
      expect(valuesOf(gradient).every(Number.isFinite), name).to.equal(true);
    }
  });

  it("work on two classes, where the rest is one class and carries no information", async () => {
    const method = { kind: "dkd", temperature: 1 } as const;
    // Teacher (½, ½), student (¼, ¾): as kd above, whatever β.
    expectNear(await lossOf(await withLogits(method, [0, log(3)], [0, 0]), [0, 1]), 0.5 * log(4 / 3), ROUNDING, "loss");
  });

  it("report missing labels, and wrong ones", async () => {
    const distiller = await filledDistiller({ numClasses: 4, method: { kind: "dkd" } });
    const { message } = await failureOf("INVALID_ARGUMENT", () => distiller.forward(IMAGES));
    expect(message).to.equal(
      "invalid labels: expected one per image for dkd, received none. Pass them with the images: forward(images, { labels }).",
    );
    await failureOf("LABEL_OUT_OF_RANGE", () => distiller.forward(IMAGES, { labels: labelTensor([0, 1, 4]) }));
    await failureOf("SHAPE_MISMATCH", () => distiller.forward(IMAGES, { labels: labelTensor([0, 1]) }));
    await failureOf("DTYPE_MISMATCH", () => distiller.forward(IMAGES, { labels: IMAGES }));
  });

  it("reject a single class, which has no rest", async () => {
    const distiller = await filledDistiller({ numClasses: 1, method: { kind: "dkd" } });
    const { message } = await failureOf("INVALID_ARGUMENT",
      () => distiller.forward(IMAGES, { labels: labelTensor([0, 0, 0]) }));
    expect(message).to.match(/^invalid numClasses: expected at least 2 for dkd, received 1\./);
  });
});
