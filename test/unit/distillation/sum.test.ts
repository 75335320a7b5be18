import { expect } from "chai";
import { createDistiller, createModel, createSession, listMethods, Tensor, type Losses, type MethodInput,
  type StateDict } from "../../../lib/index.js";
import { addon } from "../../../lib/native.js";
import type { TermInput } from "../../../lib/config/schemas/method.js";
import { filled, goldenImages, labelTensor } from "../../support/deterministic.js";
import { failureOf } from "../../support/errors.js";
import { filledDistiller, filledModel } from "../../support/networks.js";
import { expectAllNear, expectNear, sumOf, valuesOf } from "../../support/numeric.js";

const BATCH = { images: goldenImages(3, [8, 8]), labels: labelTensor([1, 3, 0]) };
const TERMS = [
  { kind: "kd", weight: 0.75 },
  { kind: "review", weight: 0.5, warmupEpochs: 0, midChannels: 8 },
  { kind: "multi-layer", weight: 2, warmupEpochs: 0, stageWeights: [1, 0.5, 0, 2] },
] as const satisfies readonly TermInput[];

/** One step of a filled distiller, whose methods have the weights of the sum's terms. */
async function stepOf(method: MethodInput, prefix: string): Promise<{ losses: Losses; gradients: StateDict }> {
  const distiller = await filledDistiller({ numClasses: 4, method });
  const own = Object.fromEntries(
    Object.entries(await distiller.stateDict()).filter(([name]) => !name.startsWith("student.")),
  );
  if (prefix !== "") await distiller.loadStateDict(filled(own, prefix), { strict: false });
  using session = await createSession({ distiller });
  const { losses } = await session.step(BATCH);
  return { losses, gradients: await session.gradients() };
}

describe("a sum of methods", () => {
  it("is the weighted sum of the single methods' losses and gradients", async () => {
    const sum = await stepOf({ kind: "sum", of: [...TERMS] }, "");
    const singles = await Promise.all(TERMS.map((term, k) => stepOf(term, `methods.${k}.`)));
    using alone = await createSession({ model: await filledModel("resnet8", 4, "student.") });
    await alone.step(BATCH);
    const crossEntropy = await alone.gradients();

    expect(sum.losses.terms).to.deep.equal(singles.map(({ losses }) => losses.terms[0]));
    expect(sum.losses.perStage).to.deep.equal(singles.flatMap(({ losses }) => losses.perStage));
    expect(sum.losses.distillationWeight).to.equal(1);
    // A few roundings.
    expectNear(sum.losses.distillation, sumOf(singles.map(({ losses }, k) => TERMS[k]!.weight * losses.distillation)),
      1e-14, "distillation");
    expectNear(sum.losses.total, sum.losses.crossEntropy + sum.losses.distillation, 1e-14, "total");

    for (const [name, gradient] of Object.entries(crossEntropy)) {
      const base = valuesOf(gradient);
      const parts = singles.map(({ gradients }) => valuesOf(gradients[`student.${name}`]!));
      const want = base.map((value, i) => value + sumOf(parts.map((part) => part[i]! - value)));
      // The subtractions round to 1e-16 of the largest part; a gradient may be far smaller.
      expectAllNear(valuesOf(sum.gradients[`student.${name}`]!), want, 1e-9, name);
    }
    for (const [k, { gradients }] of singles.entries()) {
      for (const [name, gradient] of Object.entries(gradients).filter(([name]) => !name.startsWith("student."))) {
        expectAllNear(valuesOf(sum.gradients[`methods.${k}.${name}`]!), valuesOf(gradient), 1e-12,
          `methods.${k}.${name}`);
      }
    }
  });

  it("keeps its terms' modules under their positions", async () => {
    const distiller = await filledDistiller({ method: { kind: "sum", of: [...TERMS] } });
    const names = Object.keys(await distiller.stateDict()).filter((name) => !name.startsWith("student."));
    expect(new Set(names.map((name) => name.split(".").slice(0, 3).join(".")))).to.deep.equal(
      new Set(["methods.1.abfs", "methods.2.transforms"]),
    );
    const one = await filledDistiller({ method: { kind: "sum", of: [{ kind: "multi-layer" }] } });
    expect(Object.keys(await one.stateDict())).to.include("methods.0.transforms.0.weight");
  });

  it("gives terms of one kind different initial values", async () => {
    const [teacher, student] = [await createModel("resnet8"), await createModel("resnet8", { seed: 1 })];
    const of = [{ kind: "single-layer" }, { kind: "single-layer" }] as const;
    const state = await (await createDistiller({ teacher, student, method: { kind: "sum", of: [...of] }, seed: 5 }))
      .stateDict();
    const [first, second] = [0, 1].map((k) => valuesOf(state[`methods.${k}.transforms.0.weight`]!));
    expect(first).not.to.deep.equal(second);
  });

  it("warms each term up independently, from 0 or from 1", async () => {
    const of: TermInput[] = [
      { kind: "kd", weight: 3 },
      { kind: "dkd", weight: 2, warmupEpochs: 4 },
      { kind: "single-layer", weight: 0.8, warmupEpochs: 4, warmupFrom: 1 },
    ];
    using session = await createSession({
      distiller: await filledDistiller({ numClasses: 4, method: { kind: "sum", of } }),
    });
    for (const [epoch, fromZero, fromOne] of [[0, 0, 0.25], [1, 0.25, 0.5], [3, 0.75, 1], [4, 1, 1], [9, 1,
      1]] as const) {
      await session.setEpoch(epoch);
      const { losses } = await session.step(BATCH);
      expect(losses.terms.map(({ weight }) => weight), `epoch ${epoch}`).to.deep.equal([3, 2 * fromZero,
        0.8 * fromOne]);
      expect(losses.terms.every(({ loss }) => loss > 0), "measured, also without weight").to.equal(true);
      expectNear(losses.distillation, sumOf(losses.terms.map(({ loss, weight }) => loss * weight)), 1e-14,
        "distillation");
    }
  });

  it("normalizes only where its terms do: one image is rejected before any statistic is updated", async () => {
    const distiller = await filledDistiller({ numClasses: 4,
      method: { kind: "sum", of: [{ kind: "kd" }, { kind: "review" }], teacherMode: "train" } });
    const snapshot = async (): Promise<unknown> =>
      Promise.all(
        [distiller, distiller.teacher].map(async (part) =>
          Object.entries(await part.stateDict()).map(([name, tensor]) => [name, valuesOf(tensor)])
        ),
      );
    const before = await snapshot();
    await failureOf("BATCH_TOO_SMALL", () => distiller.forward(goldenImages(1, [8, 8])));
    using session = await createSession({ distiller });
    await failureOf("BATCH_TOO_SMALL",
      () => session.step({ images: goldenImages(1, [8, 8]), labels: labelTensor([1]) }));
    expect(await snapshot()).to.deep.equal(before);
  });

  it("names the term and the stage whose loss is not finite", async () => {
    const distiller = await filledDistiller({ numClasses: 4, method: { kind: "sum", of: [...TERMS] } });
    const { "methods.2.transforms.1.bias": bias } = await distiller.stateDict();
    await distiller.loadStateDict({
      "methods.2.transforms.1.bias": Tensor.from(new Float64Array(32).fill(NaN), bias!.shape),
    }, { strict: false });
    using session = await createSession({ distiller });
    const { message } = await failureOf("NON_FINITE_LOSS", () => session.step(BATCH));
    expect(message).to.match(
      /^invalid loss in step 0: expected a finite value for multi-layer \(method\.of\[2\]\) at stage 2 \(layer2\), received nan\. Lower/,
    );
  });
});

describe("listMethods", () => {
  it("lists the methods of the native registry, and sums", async () => {
    const [teacher, student] = [await filledModel("resnet8", 4, "teacher."), await filledModel("resnet8", 4)];
    const { valid } = await failureOf("UNKNOWN_NAME",
      () => addon().createDistiller(teacher.native, student.native, { kind: "none", teacherMode: "eval" }, 0));
    expect(listMethods().map(({ kind }) => kind)).to.deep.equal([...valid, "sum"]);
  });

  it("describes each method and its publication", () => {
    for (const { kind, summary, source } of listMethods()) {
      expect(summary, kind).to.match(/^[A-Z].*\.$/);
      expect(source, kind).to.have.length.above(10);
    }
  });
});
