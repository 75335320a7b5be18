// Any detector with any other: only their pyramids are compared.
import { expect } from "chai";
import { createDetector, createDistiller, createSession, type Detector, Tensor } from "../../../lib/index.js";
import { labelTensor, sequence } from "../../support/deterministic.js";
import { ellipseMasks } from "../../support/detectors.js";

const KINDS = ["faster-rcnn", "retinanet", "mask-rcnn"] as const;
const BACKBONES = ["resnet18", "resnet34", "resnet50", "resnet101", "mobilenetv2"] as const;
const SIDE = 64;
const BOX = [8, 6, 40, 50];

type Pair = readonly [teacher: string, student: string];
const nameOf = (kind: string, backbone: string): string => `${kind}-${backbone}-fpn`;
const ALL = KINDS.flatMap((kind) => BACKBONES.map((backbone) => nameOf(kind, backbone)));

/** Every pair takes minutes: by default each kind with each, and each backbone as teacher and as student. */
function pairs(): readonly Pair[] {
  // @env REVIEWKD_PAIRS tests: `all` distills between every ordered pair of 15 detectors. Default: 14 of the 225;
  // `npm run test:pairs` takes all.
  if (process.env["REVIEWKD_PAIRS"] === "all")
    return ALL.flatMap((teacher) => ALL.map((student): Pair => [teacher, student]));
  const byKind = KINDS.flatMap((teacher) =>
    KINDS.map((student): Pair => [nameOf(teacher, "resnet18"), nameOf(student, "mobilenetv2")])
  );
  const byBackbone = BACKBONES.map((backbone,
    index): Pair => [nameOf("faster-rcnn", backbone), nameOf("retinanet", BACKBONES[(index + 1) % BACKBONES.length]!)]
  );
  return [...byKind, ...byBackbone];
}

const images = ["a", "b"].map((name) =>
  Tensor.from(Float32Array.from(sequence(name, 3 * SIDE * SIDE), (value) => value + 0.5), [3, SIDE, SIDE])
);
const targets = images.map(() => ({ boxes: Tensor.from(Float32Array.from(BOX), [1, 4]), labels: labelTensor([1]),
  masks: ellipseMasks([BOX], SIDE, SIDE) })
);

async function takeStep(teacher: Detector, student: Detector): Promise<void> {
  const pair = `${teacher.name} → ${student.name}`;
  using distiller = await createDistiller({ teacher, student });
  // Students serve in many pairs: the step is too small to take them anywhere.
  using session = await createSession({ distiller, threads: 1, optimizer: { kind: "sgd", learningRate: 1e-9 } });
  const { losses } = await session.step({ images, targets });
  const levels = new Set(student.featureSpecs(SIDE, SIDE).map(({ name }) => name));
  const common = teacher.featureSpecs(SIDE, SIDE).filter(({ name }) => levels.has(name)).map(({ name }) => name);
  expect(distiller.matching.stages.map((stage) => [stage.student, stage.teacher]), pair).to.deep.equal(
    common.map((name) => [name, name]),
  );
  expect(losses.perStage, pair).to.have.length(common.length);
  for (const loss of losses.perStage) expect(loss, pair).to.be.above(0).and.below(Infinity);
  expect(losses.total, pair).to.be.above(losses.distillation).and.below(Infinity);
  const fusions = Object.entries(await session.gradients()).filter(([name]) => name.startsWith("abfs."));
  expect(fusions, pair).to.have.length(6 * common.length + 2 * (common.length - 1));
}

describe("review between detectors", () => {
  const chosen = pairs();
  const students = new Map<string, Detector>();
  const create = (name: string, seed: number): Promise<Detector> =>
    createDetector(name, { numClasses: 3, seed, detection: { minSize: null } });
  after(() => {
    for (const student of students.values()) student.dispose();
  });

  it("is tested between every kind and with every backbone", () => {
    for (const index of [0, 1] as const) {
      const names = chosen.map((pair) => pair[index]);
      for (const part of [...KINDS, ...BACKBONES])
        expect(names.some((name) => name.includes(part)), `${part}, ${index}`).to.equal(true);
    }
    if (chosen.length > ALL.length) expect(chosen).to.have.length(ALL.length ** 2);
  });

  for (const name of new Set(chosen.map(([teacher]) => teacher))) {
    it(`with ${name} as the teacher takes a step`, async () => {
      // A network of its own, so that it is no student of the pair.
      using teacher = await create(name, 2);
      for (const [, student] of chosen.filter(([teacherName]) => teacherName === name)) {
        if (!students.has(student)) students.set(student, await create(student, 1));
        await takeStep(teacher, students.get(student)!);
      }
    });
  }
});
