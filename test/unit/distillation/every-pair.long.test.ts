// Any teacher with any student: channels, sizes and stages are derived from both networks.
import { expect } from "chai";
import { createDistiller, createModel, createSession, listModels, type Model,
  type Tensor } from "../../../lib/index.js";
import { goldenImages, labelTensor } from "../../support/deterministic.js";

const NUM_CLASSES = 5;
// Between wide stages the default would create tens of millions of parameters, which dominate the time of a step.
const MID_CHANNELS = 16;

function isFinite(tensor: Tensor): boolean {
  return (tensor.toTypedArray() as Float32Array).every((value) => Number.isFinite(value));
}

/** Runs one review step and compares its output with both networks' stages. */
async function takeStep(teacher: Model, student: Model, size: readonly [number, number]): Promise<void> {
  const pair = `${teacher.name} → ${student.name}`;
  using distiller = await createDistiller({ teacher, student,
    method: { kind: "review", warmupEpochs: 0, midChannels: MID_CHANNELS } });
  // Students serve in many pairs: the step is too small to take them anywhere.
  // Maps of so few pixels are not worth a second thread.
  using session = await createSession({ distiller, threads: 1, optimizer: { kind: "sgd", learningRate: 1e-6 } });
  const { losses } = await session.step({ images: goldenImages(2, size), labels: labelTensor([1, 3]) });

  const stages = Math.min(teacher.featureSpecs(...size).length, student.featureSpecs(...size).length);
  expect(distiller.matching.stages, `${pair}: matched stages`).to.have.length(stages);
  expect(losses.perStage, `${pair}: losses`).to.have.length(stages);
  for (const loss of [losses.total, losses.crossEntropy, ...losses.perStage]) {
    expect(loss, `${pair}: ${JSON.stringify(losses)}`).to.be.above(0).and.below(Infinity);
  }

  const fusions = Object.entries(await session.gradients()).filter(([name]) => name.startsWith("abfs."));
  // A weight, a scale and a shift of two normalized convolutions per fusion, and two of the attention in all but the
  // deepest.
  expect(fusions, `${pair}: parameters of the fusions`).to.have.length(6 * stages + 2 * (stages - 1));
  for (const [name, gradient] of fusions) expect(isFinite(gradient), `${pair}: gradient of ${name}`).to.equal(true);
}

describe("review between every ordered pair", () => {
  const networks = listModels().filter(({ imageSize: [height] }) => height === 32).map(({ name }) => name);
  const students: Model[] = [];

  before(async () => {
    for (const name of networks) students.push(await createModel(name, { numClasses: NUM_CLASSES, seed: 1 }));
  });
  after(() => {
    for (const model of students) model.dispose();
  });

  it("has the CIFAR networks to choose from", () => {
    expect(networks).to.have.length.at.least(20);
  });

  for (const name of networks) {
    it(`with ${name} as the teacher takes a step`, async () => {
      // A network of its own: the students' running statistics are updated, and are useless for a teacher until they
      // settle.
      using teacher = await createModel(name, { numClasses: NUM_CLASSES, seed: 2 });
      for (const student of students) await takeStep(teacher, student, [16, 16]);
    });
  }
});

describe("review between networks for ImageNet", () => {
  it("takes a step at 64×96", async () => {
    using teacher = await createModel("resnet34", { numClasses: NUM_CLASSES, seed: 1 });
    using student = await createModel("resnet18", { numClasses: NUM_CLASSES, seed: 2 });
    await takeStep(teacher, student, [64, 96]);
  });
});
