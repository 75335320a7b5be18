import { expect } from "chai";
import { createDistiller, createModel, createSession, type Distiller, type Model } from "../../../lib/index.js";
import { filled, goldenImages, labelTensor } from "../../support/deterministic.js";
import { failureOf } from "../../support/errors.js";
import { filledDistiller } from "../../support/networks.js";
import { expectNear, valuesOf } from "../../support/numeric.js";
import { AS_STORED } from "../../support/load-report.js";

const snapshot = async (part: Model | Distiller): Promise<Record<string, number[]>> =>
  Object.fromEntries(Object.entries(await part.stateDict()).map(([name, tensor]) => [name, valuesOf(tensor)]));

const isStatistic = (name: string): boolean => /running_(mean|var)$|num_batches_tracked$/.test(name);
const images = (batch = 2) => goldenImages(batch, [8, 8]);

describe("the teacher of a distiller", () => {
  it("is unchanged in eval mode, the default, also over steps", async () => {
    const distiller = await filledDistiller();
    expect(distiller.method.teacherMode).to.equal("eval");
    const before = await snapshot(distiller.teacher);
    await distiller.forward(images());
    const session = await createSession({ distiller });
    await session.step({ images: images(), labels: labelTensor([1, 2]) });
    session.dispose();
    expect(await snapshot(distiller.teacher)).to.deep.equal(before);
  });

  it("updates only its running statistics in train mode", async () => {
    const distiller = await filledDistiller({ method: { teacherMode: "train" } });
    const before = await snapshot(distiller.teacher);
    await distiller.forward(images());
    const after = await snapshot(distiller.teacher);
    for (const [name, values] of Object.entries(before)) {
      if (isStatistic(name)) expect(after[name], name).not.to.deep.equal(values);
      else expect(after[name], name).to.deep.equal(values);
    }
  });

  it("is evaluated in its mode", async () => {
    for (const teacherMode of ["eval", "train"] as const) {
      const distiller = await filledDistiller({ method: { teacherMode } });
      const { logits } = await distiller.teacher.forward(images(), { mode: teacherMode });
      // Train mode normalizes with batch statistics, so running statistics that changed meanwhile do not matter.
      const { teacherLogits } = await distiller.forward(images());
      expect(valuesOf(teacherLogits), teacherMode).to.deep.equal(valuesOf(logits));
    }
  });

  for (const side of ["before", "after"] as const) {
    it(`takes its maps ${side} the activation if configured`, async () => {
      const distiller = await filledDistiller({ teacher: "resnet14", method: { teacherFeatures: side } });
      const { features } = await distiller.teacher.forward(images(), { features: true });
      const { teacherFeatures } = await distiller.forward(images());
      expect(teacherFeatures.map(valuesOf)).to.deep.equal(features.map((feature) => valuesOf(feature[side])));
    });
  }
});

describe("the options of review", () => {
  it("default to the published ones: teacher in eval mode and before, student after the activation, 20 epochs of warm-up", async () => {
    using teacher = await createModel("resnet8");
    using student = await createModel("resnet8", { seed: 1 });
    const expected = {
      kind: "review",
      weight: 1,
      warmupEpochs: 20,
      teacherMode: "eval",
      teacherFeatures: "before",
      studentFeatures: "after",
      warmupFrom: 0,
      distance: "hcl",
      fusion: "abf",
    };
    expect((await createDistiller({ teacher, student })).method).to.deep.equal(expected);
    expect((await createDistiller({ teacher, student, method: { kind: "review" } })).method).to.deep.equal(expected);
  });

  it("give the student's side an effect", async () => {
    const losses = await Promise.all((["before", "after"] as const).map(async (studentFeatures) => {
      const distiller = await filledDistiller({ method: { studentFeatures } });
      return (await distiller.forward(images())).perStage;
    }));
    // The pool, the last stage, has no activation.
    for (const [stage, loss] of losses[0]!.slice(0, -1).entries()) expect(loss).not.to.equal(losses[1]![stage]);
    expect(losses[0]![3]).to.equal(losses[1]![3]);
  });

  for (const [student, midChannels, expected] of [
    ["resnet8", undefined, 64],
    ["resnet8x4", undefined, 256],
    ["resnet8", 24, 24],
    ["resnet8", 600, 600],
  ] as const) {
    it(`give the fusions of ${student} ${expected} channels inside with midChannels ${String(midChannels)}`, async () => {
      using teacher = await createModel("resnet8");
      using network = await createModel(student, { seed: 1 });
      using distiller = await createDistiller({ teacher, student: network,
        method: { kind: "review", ...(midChannels && { midChannels }) } });
      const state = await distiller.stateDict();
      for (const stage of [0, 1, 2, 3]) {
        expect(state[`abfs.${stage}.conv1.0.weight`]!.shape[0]).to.equal(expected);
        expect(state[`abfs.${stage}.conv2.0.weight`]!.shape[1]).to.equal(expected);
      }
    });
  }

  it("raise the weight over the warm-up, epochs counted from 0", async () => {
    const distiller = await filledDistiller({ method: { weight: 0.8, warmupEpochs: 4 } });
    const session = await createSession({ distiller });
    const batch = { images: images(), labels: labelTensor([1, 2]) };
    for (const [epoch, share] of [[0, 0], [1, 0.25], [2, 0.5], [3, 0.75], [4, 1], [9, 1], [1, 0.25]] as const) {
      await session.setEpoch(epoch);
      const { losses } = await session.step(batch);
      expect(losses.distillationWeight, `epoch ${epoch}`).to.equal(0.8 * share);
      expect(losses.perStage).to.have.length(4);
      expectNear(losses.distillation, losses.perStage.reduce((a, b) => a + b), 1e-14, "sum over stages"); // four roundings
      expectNear(losses.total, losses.crossEntropy + 0.8 * share * losses.distillation, 1e-14, "total");
    }
    session.dispose();
  });

  it("raise the weight from the first epoch on if the warm-up begins at 1", async () => {
    using session = await createSession({
      distiller: await filledDistiller({ method: { weight: 0.8, warmupEpochs: 4, warmupFrom: 1 } }),
    });
    for (const [epoch, share] of [[0, 0.25], [2, 0.75], [3, 1], [4, 1]] as const) {
      await session.setEpoch(epoch);
      const { losses } = await session.step({ images: images(), labels: labelTensor([1, 2]) });
      expect(losses.distillationWeight, `epoch ${epoch}`).to.equal(0.8 * share);
    }
  });

  it("leave the fusions without a gradient in epoch 0 of a warm-up", async () => {
    const distiller = await filledDistiller({ method: { weight: 0.8, warmupEpochs: 4 } });
    const session = await createSession({ distiller });
    const { losses } = await session.step({ images: images(), labels: labelTensor([1, 2]) });
    expect(losses.distillation).to.be.above(0);
    expect(losses.total).to.equal(losses.crossEntropy);
    const entries = Object.entries(await session.gradients());
    for (const [name, tensor] of entries.filter(([name]) => name.startsWith("abfs."))) {
      expect(valuesOf(tensor).every((value) => value === 0), name).to.equal(true);
    }
    expect(valuesOf(Object.fromEntries(entries)["student.conv1.weight"]!).some((value) => value !== 0)).to.equal(true);
    session.dispose();
  });

  it("give the full weight from the start without a warm-up", async () => {
    const session = await createSession({
      distiller: await filledDistiller({ method: { weight: 0.3, warmupEpochs: 0 } }),
    });
    const { losses } = await session.step({ images: images(), labels: labelTensor([1, 2]) });
    expect(losses.distillationWeight).to.equal(0.3);
    session.dispose();
  });
});

describe("a distiller", () => {
  it("updates running statistics in a forward pass but no parameter", async () => {
    const distiller = await filledDistiller();
    const before = await snapshot(distiller);
    await distiller.forward(images());
    for (const [name, values] of Object.entries(await snapshot(distiller))) {
      if (isStatistic(name)) expect(values, name).not.to.deep.equal(before[name]);
      else expect(values, name).to.deep.equal(before[name]);
    }
  });

  it("accepts images of any size and shape", async () => {
    for (const [height, width] of [[8, 8], [6, 11], [13, 5], [4, 4], [1, 3]] as const) {
      const distiller = await filledDistiller({ teacher: "resnet8x4", method: { midChannels: 8 } });
      const { reviewOutputs, teacherFeatures, perStage } = await distiller.forward(goldenImages(3, [height, width]));
      const specs = distiller.teacher.featureSpecs(height, width).map((
        { channels, height, width },
      ) => [3, channels, height, width]);
      expect(reviewOutputs.map(({ shape }) => shape)).to.deep.equal(specs);
      expect(teacherFeatures.map(({ shape }) => shape)).to.deep.equal(specs);
      expect(perStage.every((loss) => Number.isFinite(loss) && loss > 0)).to.equal(true);
    }
  });

  it("has student and method under their published names and loads them again", async () => {
    const distiller = await filledDistiller();
    const state = await distiller.stateDict();
    const own = Object.keys(await distiller.student.stateDict()).map((name) => `student.${name}`);
    expect(Object.keys(state).slice(0, own.length)).to.deep.equal(own);
    expect(Object.keys(state).slice(own.length).every((name) => /^abfs\.[0-3]\./.test(name))).to.equal(true);

    const other = await filledDistiller();
    expect(await other.loadStateDict(filled(state, "other."))).to.deep.equal({ ...AS_STORED,
      matched: Object.keys(state).length, missing: [], unexpected: [], mismatched: [] });
    expect(await snapshot(other)).not.to.deep.equal(await snapshot(distiller));
    await other.loadStateDict(state);
    expect(await snapshot(other)).to.deep.equal(await snapshot(distiller));
  });

  it("rejects a state dict with other names and changes nothing", async () => {
    const distiller = await filledDistiller();
    const before = await snapshot(distiller);
    const { message } = await failureOf("STATE_DICT_MISMATCH",
      async () => distiller.loadStateDict(await distiller.student.stateDict()));
    expect(message).to.contain("missing: student.conv1.weight");
    expect(message).to.contain("unexpected: conv1.weight");
    expect(await snapshot(distiller)).to.deep.equal(before);
  });

  it("rejects networks with different numbers of classes", async () => {
    const [teacher, student] = [await createModel("resnet8", { numClasses: 10 }),
      await createModel("resnet8", { numClasses: 7 })];
    const { message } = await failureOf("SHAPE_MISMATCH", () => createDistiller({ teacher, student }));
    expect(message).to.equal("invalid numClasses: expected the same for teacher and student, received 10 and 7.");
  });

  it("rejects the same network twice", async () => {
    const teacher = await createModel("resnet8");
    await failureOf("INVALID_ARGUMENT", () => createDistiller({ teacher, student: teacher }));
  });

  it("rejects networks of different types", async () => {
    const [teacher, student] = [await createModel("resnet8"), await createModel("resnet8", { dtype: "float64" })];
    await failureOf("DTYPE_MISMATCH", () => createDistiller({ teacher, student }));
  });

  it("rejects meaningless options", async () => {
    const [teacher, student] = [await createModel("resnet8"), await createModel("resnet8", { seed: 1 })];
    for (const options of [{ weight: NaN }, { weight: -1 }, { warmupEpochs: Infinity }, { midChannels: 0 }, {
      midChannels: 1.5,
    }]) {
      await failureOf("INVALID_ARGUMENT", () =>
        createDistiller({ teacher, student, method: { kind: "review", ...options } }));
    }
    await failureOf("INVALID_ARGUMENT", () => createDistiller({ teacher, student, seed: -1 }));
  });

  it("needs more than one image for fusions over pooled maps, and changes nothing if there is only one", async () => {
    const distiller = await filledDistiller();
    const before = await snapshot(distiller);
    const session = await createSession({ distiller });
    await failureOf("BATCH_TOO_SMALL", () => session.step({ images: images(1), labels: labelTensor([1]) }));
    await failureOf("BATCH_TOO_SMALL", () => distiller.forward(images(1)));
    expect(await snapshot(distiller)).to.deep.equal(before);
    session.dispose();
  });

  it("reports the same if an image of one pixel leaves the student a single value to normalize over", async () => {
    const distiller = await filledDistiller();
    await failureOf("BATCH_TOO_SMALL", () => distiller.forward(goldenImages(1, [1, 1])));
    await failureOf("BATCH_TOO_SMALL", () => distiller.student.forward(goldenImages(1, [4, 4]), { mode: "train" }));
  });
});
