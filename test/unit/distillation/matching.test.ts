import { expect } from "chai";
import { createDistiller, createModel, type Distiller, type MethodInput } from "../../../lib/index.js";
import { goldenImages } from "../../support/deterministic.js";
import { failureOf } from "../../support/errors.js";

async function between(student: string, teacher: string,
  method: MethodInput = { kind: "multi-layer" }): Promise<Distiller> {
  return createDistiller({ teacher: await createModel(teacher), student: await createModel(student, { seed: 1 }),
    method });
}

describe("the matching of stages", () => {
  it("pairs the stages one by one if both networks have equally many", async () => {
    const { matching } = await between("resnet20", "resnet8x4");
    const pair = (name: string): { student: string; teacher: string } => ({ student: name, teacher: name });
    expect(matching).to.deep.equal({ stages: ["layer1", "layer2", "layer3", "pool"].map(pair), note: null });
  });

  it("pairs the deepest and reports it if the teacher has more", async () => {
    const distiller = await between("resnet20", "vgg13");
    const teacher = distiller.teacher.featureSpecs(32, 32).map(({ name }) => name);
    const stages = ["layer1", "layer2", "layer3", "pool"].map((student, i) => ({ student, teacher: teacher[i + 1]! }));
    expect(distiller.matching.stages).to.deep.equal(stages);
    const pairs = stages.map(({ student, teacher }) => `${student}~${teacher}`).join(", ");
    expect(distiller.matching.note).to.equal(`resnet20 has 4 stages, vgg13 has 5: the deepest 4 are matched, ${pairs}`);
    // The shapes are those of the teacher's stages 2 to 5.
    const shapes = distiller.teacher.featureSpecs(32, 32).slice(1).map((
      { channels, height, width },
    ) => [2, channels, height, width]);
    const { reviewOutputs, teacherFeatures } = await distiller.forward(goldenImages(2, [32, 32]));
    expect(reviewOutputs.map(({ shape }) => shape)).to.deep.equal(shapes);
    expect(teacherFeatures.map(({ shape }) => shape)).to.deep.equal(shapes);
  });

  it("pairs the deepest and reports it if the student has more", async () => {
    const { matching } = await between("vgg8", "resnet20");
    expect(matching.stages.map(({ teacher }) => teacher)).to.deep.equal(["layer1", "layer2", "layer3", "pool"]);
    expect(matching.note).to.match(/^vgg8 has 5 stages, resnet20 has 4: the deepest 4 are matched, /);
  });

  const LISTED = "The matched stages are 1: layer1~layer1, 2: layer2~layer2, 3: layer3~layer3, 4: pool~pool.";
  const OUT_OF_RANGE: readonly (readonly [what: string, method: MethodInput, message: string])[] = [
    ["a student stage", { kind: "single-layer", stage: 5 },
      `invalid method.stage: expected 1 to 4, received 5. ${LISTED}`],
    ["a teacher stage", { kind: "single-layer", teacherStage: 9 },
      `invalid method.teacherStage: expected 1 to 4, received 9. ${LISTED}`],
    ["a stage of review", { kind: "review-stage", stage: 7 },
      `invalid method.stage: expected 1 to 4, received 7. ${LISTED}`],
    ["a stage of a term", { kind: "sum", of: [{ kind: "kd" }, { kind: "review-stage", stage: 7 }] },
      `invalid method.of[1].stage: expected 1 to 4, received 7. ${LISTED}`],
  ];
  for (const [what, method, message] of OUT_OF_RANGE) {
    it(`lists the stages if ${what} is out of range`, async () => {
      expect((await failureOf("INVALID_ARGUMENT", () => between("resnet8", "resnet14", method))).message).to.equal(
        message,
      );
    });
  }

  it("requires a weight per matched stage", async () => {
    const { message } = await failureOf("INVALID_ARGUMENT",
      () => between("resnet8", "resnet14", { kind: "review", stageWeights: [1, 2] }));
    expect(message).to.equal(
      "invalid method.stageWeights: expected 4 numbers, received 2. Give one per matched stage: " +
        "1: layer1~layer1, 2: layer2~layer2, 3: layer3~layer3, 4: pool~pool.",
    );
    const inSum: MethodInput = { kind: "sum", of: [{ kind: "multi-layer", stageWeights: [1, 1, 1, 1, 1] }] };
    expect((await failureOf("INVALID_ARGUMENT", () => between("resnet8", "resnet14", inSum))).message).to.include(
      "invalid method.of[0].stageWeights: expected 4 numbers, received 5",
    );
  });
});
