import { expect } from "chai";
import { createDistiller, createModel, createSession, type Detector, type DetectorOptionsInput, type Distiller,
  type MethodInput, Tensor } from "../../../lib/index.js";
import { filledDetector, namedImage, targetsOf } from "../../support/detectors.js";
import { failureOf } from "../../support/errors.js";
import { valuesOf } from "../../support/numeric.js";
import { referenceDkd, referenceKd } from "../../support/soft-targets.js";

/** No resizing; room for every candidate, so that nothing depends on chance. */
const ALL_REGIONS = { minSize: null, rpnBatchSizePerImage: 2 ** 20, boxBatchSizePerImage: 2 ** 20,
  rpnPostNmsTopNTrain: 40 } as const;
const ALL_ANCHORS = { minSize: null } as const;

const switchesOf = (name: string): DetectorOptionsInput["detection"] =>
  name.startsWith("retinanet") ? ALL_ANCHORS : ALL_REGIONS;

async function detector(name: string, options: DetectorOptionsInput = {}): Promise<Detector> {
  return filledDetector(name, { numClasses: 4, ...options, detection: { ...switchesOf(name), ...options.detection } });
}

const BATCH = {
  images: [namedImage("a", 96, 128), namedImage("b", 128, 80)],
  targets: [
    targetsOf({ boxes: [[10, 12, 60, 70], [40, 20, 120, 90]], labels: [1, 3] }, [96, 128]),
    targetsOf({ boxes: [[5, 30, 70, 110]], labels: [2] }, [128, 80]),
  ],
};

const FASTER = "faster-rcnn-resnet18-fpn";
const RETINANET = "retinanet-resnet18-fpn";
const MASK = "mask-rcnn-resnet18-fpn";

async function between(method: MethodInput, student: string | Detector = FASTER,
  teacher: string | Detector = "faster-rcnn-mobilenetv2-fpn"): Promise<Distiller<Detector>> {
  return createDistiller({ teacher: typeof teacher === "string" ? await detector(teacher) : teacher,
    student: typeof student === "string" ? await detector(student) : student, method });
}

/** The losses and gradients of one step at a rate that changes nothing. */
async function stepOf(distiller: Distiller<Detector>, batch: object = BATCH) {
  using session = await createSession({ distiller, threads: 1,
    optimizer: { kind: "sgd", learningRate: 1e-20, momentum: 0, weightDecay: 0 } });
  const { losses } = await session.step(batch as typeof BATCH);
  return { losses, gradients: await session.gradients() };
}

describe("distillation between detectors", () => {
  const METHODS: readonly (readonly [method: MethodInput, stages: number])[] = [
    [{ kind: "review" }, 5],
    [{ kind: "review", fusion: "sum", distance: "l2", stageWeights: [1, 2, 0.5, 1, 1] }, 5],
    [{ kind: "review-fused" }, 5],
    [{ kind: "review-pairs" }, 5],
    [{ kind: "review-stage", stage: 3 }, 3],
    [{ kind: "multi-layer", distance: "hcl" }, 5],
    [{ kind: "single-layer", stage: 2, teacherStage: 4 }, 1],
    [{ kind: "sum", of: [{ kind: "review", weight: 0.5 }, { kind: "multi-layer", weight: 2 }, { kind: "dkd" }] }, 10],
  ];
  for (const [method, stages] of METHODS) {
    it(`takes a step with ${JSON.stringify(method)} on the levels of pyramids`, async () => {
      const distiller = await between(method);
      const { losses, gradients } = await stepOf(distiller);
      expect(losses.perStage).to.have.length(stages);
      for (const value of losses.perStage) expect(value).to.be.within(1e-6, 1e6);
      const own = distiller.student.task.losses.map(({ name }) => (losses as unknown as Record<string, number>)[name]!);
      expect(losses.total).to.be.closeTo(
        own.reduce((sum, value) => sum + value, losses.distillationWeight * losses.distillation),
        1e-9 * losses.total,
      );
      // No warm-up: the weight is full in the first epoch.
      for (const { kind, weight } of losses.terms) expect(weight, kind).to.be.greaterThan(0);
      const modules = Object.keys(gradients).filter((name) => !name.startsWith("student."));
      expect(modules).to.have.length.greaterThan(0);
      for (const name of modules) expect(valuesOf(gradients[name]!).some((value) => value !== 0), name).to.equal(true);
    });
  }

  it("pairs levels of the same name between detectors of different kinds, and names the others", async () => {
    const distiller = await between({ kind: "review" }, RETINANET, MASK);
    const levels = ["p3", "p4", "p5", "p6"];
    expect(distiller.matching.stages).to.deep.equal(levels.map((name) => ({ student: name, teacher: name })));
    expect(distiller.matching.note).to.equal(
      `levels of one pyramid alone are not compared: p7 of ${RETINANET}, p2 of ${MASK}`,
    );
    const { student, teacher, reviewOutputs } = await distiller.forward(BATCH.images);
    expect(reviewOutputs.map(({ shape }) => shape)).to.deep.equal(student.levels.slice(0, 4).map(({ shape }) => shape));
    expect(teacher.levels.slice(1).map(({ shape }) => shape)).to.deep.equal(reviewOutputs.map(({ shape }) => shape));
    expect((await stepOf(distiller)).losses.perStage).to.have.length(4);
  });

  it("takes a teacher with other classes, another flavor and other input: each normalizes the pixels its own way", async () => {
    const student = await detector(FASTER);
    const teacher = await filledDetector("faster-rcnn-resnet50-fpn", { numClasses: 7, flavor: "detectron2" });
    const distiller = await between({ kind: "review" }, student, teacher);
    const { student: own, teacher: other } = await distiller.forward(BATCH.images);
    const [image] = BATCH.images;
    const at = (tensor: Tensor, channel: number, row: number, column: number): number => {
      const [, , height, width] = tensor.shape as [number, number, number, number];
      return valuesOf(tensor)[(channel * height + row) * width + column]!;
    };
    const pixel = (channel: number): number => valuesOf(image!)[(channel * 96 + 5) * 128 + 7]!;
    // torchvision: RGB from 0 to 1; detectron2: BGR from 0 to 255.
    expect(at(own.input, 0, 5, 7)).to.be.closeTo((pixel(0) - 0.485) / 0.229, 1e-12);
    expect(at(other.input, 0, 5, 7)).to.be.closeTo(255 * pixel(2) - 103.53, 1e-12);
    expect((await stepOf(distiller)).losses.perStage).to.have.length(5);
  });

  it("runs only backbone and pyramid of the teacher", async () => {
    const teacher = await detector("faster-rcnn-mobilenetv2-fpn");
    const changed = await filledDetector("faster-rcnn-mobilenetv2-fpn", { numClasses: 4, detection: ALL_REGIONS });
    const state = await changed.stateDict();
    const heads = Object.entries(state).filter(([name]) => !name.startsWith("backbone."));
    await changed.loadStateDict(Object.fromEntries(heads.map(([name, tensor]) => [name, filledWith(tensor, NaN)])), {
      strict: false,
    });
    const both = [];
    for (const one of [teacher, changed])
      both.push((await stepOf(await between({ kind: "review" }, FASTER, one))).losses);
    expect(both[0]).to.deep.equal(both[1]);
  });

  describe("on the class logits of regions", () => {
    const CLASS_BIAS = "roi_heads.box_predictor.cls_score.bias";
    const CLASS_WEIGHT = "roi_heads.box_predictor.cls_score.weight";
    const [OF_STUDENT, OF_TEACHER] = [[0.3, -0.8, 1.1, 0.2], [1.4, 0.1, -0.6, 0.5]];

    /** A detector whose logits are these for any region. */
    async function constant(name: string, logits: readonly number[]): Promise<Detector> {
      const result = await detector(name);
      const weight = (await result.stateDict())[CLASS_WEIGHT]!;
      await result.loadStateDict({ [CLASS_BIAS]: Tensor.from(Float64Array.from(logits), [4]),
        [CLASS_WEIGHT]: filledWith(weight, 0) }, { strict: false });
      return result;
    }

    /** Regions of background alone. */
    const EMPTY = { images: BATCH.images.slice(0, 1), targets: [targetsOf({ boxes: [], labels: [] })] };
    const row = (values: readonly number[]): Tensor => Tensor.from(Float64Array.from(values), [1, 4]);

    it("gives the decoupled loss of the student's regions through both box heads, with the detectors' defaults", async () => {
      const distiller = await between({ kind: "dkd" }, await constant(FASTER, OF_STUDENT),
        await constant("mask-rcnn-mobilenetv2-fpn", OF_TEACHER));
      expect(distiller.method).to.deep.include({ kind: "dkd", alpha: 1, beta: 0.25, temperature: 1, warmupEpochs: 0 });
      const { losses } = await stepOf(distiller, EMPTY);
      const { tckd, nckd } = referenceDkd(row(OF_STUDENT), row(OF_TEACHER), [0], 1);
      expect(losses.distillation).to.be.closeTo(tckd + 0.25 * nckd, 1e-12);
      expect(losses.perStage).to.deep.equal([]);
    });

    it("averages over regions, by the labels that they were sampled with", async () => {
      const { losses } = await stepOf(
        await between({ kind: "dkd", alpha: 2, beta: 3, temperature: 1.5 }, await constant(FASTER, OF_STUDENT),
          await constant(FASTER, OF_TEACHER)),
        { images: BATCH.images.slice(1), targets: BATCH.targets.slice(1) },
      );
      // All objects have label 2: the cross entropy gives their share among the regions.
      const norm = Math.log(OF_STUDENT.reduce((sum, logit) => sum + Math.exp(logit), 0));
      const [background, object] = [norm - OF_STUDENT[0]!, norm - OF_STUDENT[2]!];
      const share = (losses.classifier! - background) / (object - background);
      expect(share).to.be.within(0.01, 0.9);
      const loss = (label: number): number => {
        const { tckd, nckd } = referenceDkd(row(OF_STUDENT), row(OF_TEACHER), [label], 1.5);
        return 1.5 ** 2 * (2 * tckd + 3 * nckd);
      };
      expect(losses.distillation).to.be.closeTo((1 - share) * loss(0) + share * loss(2), 1e-9);
    });

    it("gives Hinton's loss likewise", async () => {
      const { losses } = await stepOf(
        await between({ kind: "kd", temperature: 2 }, await constant(FASTER, OF_STUDENT),
          await constant(FASTER, OF_TEACHER)),
        EMPTY,
      );
      expect(losses.distillation).to.be.closeTo(referenceKd(row(OF_STUDENT), row(OF_TEACHER), 2), 1e-12);
    });

    it("is 0, with gradients of 0, under a teacher with the student's own weights", async () => {
      const { losses, gradients } = await stepOf(await between({ kind: "dkd" }, FASTER, FASTER));
      expect(Math.abs(losses.distillation)).to.be.lessThan(1e-12);
      const alone = await between({ kind: "dkd", weight: 0 }, FASTER, FASTER);
      const without = (await stepOf(alone)).gradients;
      const name = `student.${CLASS_BIAS}`;
      valuesOf(gradients[name]!).forEach((value, i) => {
        expect(value).to.be.closeTo(valuesOf(without[name]!)[i]!, 1e-12);
      });
    });

    it("has the gradient of its finite differences", async () => {
      const teacher = await detector("faster-rcnn-mobilenetv2-fpn");
      const student = await detector(FASTER);
      const method: MethodInput = { kind: "dkd", weight: 5 };
      const { gradients } = await stepOf(await between(method, student, teacher));
      const state = await student.stateDict();
      for (const [name, index] of [[CLASS_BIAS, 2], ["roi_heads.box_head.fc7.weight", 77]] as const) {
        const totals = [];
        for (const shift of [1e-5, -1e-5]) {
          const values = Float64Array.from(valuesOf(state[name]!));
          values[index]! += shift;
          await student.loadStateDict({ [name]: Tensor.from(values, state[name]!.shape) }, { strict: false });
          totals.push((await stepOf(await between(method, student, teacher))).losses.total);
        }
        await student.loadStateDict({ [name]: state[name]! }, { strict: false });
        const slope = (totals[0]! - totals[1]!) / 2e-5;
        expect(valuesOf(gradients[`student.${name}`]!)[index]!, name).to.be.closeTo(slope,
          1e-6 + 1e-5 * Math.abs(slope));
      }
    });

    it("is 0 for images without regions, also in a part of a batch", async () => {
      const student = await detector(FASTER, { detection: { rpnMinSize: 1e6 } });
      const none = { boxes: [], labels: [] };
      for (const kind of ["dkd", "kd"] as const) {
        const distiller = await between({ kind }, student, await detector(FASTER));
        expect((await stepOf(distiller, { ...BATCH, targets: [targetsOf(none), targetsOf(none)] })).losses.distillation)
          .to.equal(0);
        using session = await createSession({ distiller, threads: 1, microBatches: 2 });
        const { losses } = await session.step({ ...BATCH, targets: [BATCH.targets[0]!, targetsOf(none)] });
        expect(losses.distillation).to.be.within(0, 1e6);
      }
    });

    it("is left out by a forward pass, which has no regions", async () => {
      const distiller = await between({ kind: "sum", of: [{ kind: "review" }, { kind: "dkd" }] });
      expect((await distiller.forward(BATCH.images)).perStage).to.have.length(5);
    });

    it("refuses a detector without a second stage, and names the methods that take it", async () => {
      for (const [student, teacher] of [[FASTER, RETINANET], [RETINANET, FASTER]] as const) {
        const { message } = await failureOf("INVALID_ARGUMENT", () => between({ kind: "dkd" }, student, teacher));
        expect(message).to.equal(
          `invalid method dkd for ${RETINANET}: expected detectors that classify regions (faster-rcnn, mask-rcnn) as teacher and student. Use a method on levels of pyramids, such as "review".`,
        );
      }
    });

    it("refuses other numbers of classes, and other classes", async () => {
      const other = await detector(FASTER, { numClasses: 5 });
      expect((await failureOf("SHAPE_MISMATCH", () => between({ kind: "dkd" }, FASTER, other))).message).to.equal(
        'invalid numClasses: expected the same for teacher and student, received 5 and 4. Only methods on levels, such as "review", take detectors of other classes.',
      );
    });
  });

  it("refuses a classifier with a detector, either way", async () => {
    const classifier = await createModel("resnet18", { numClasses: 4, dtype: "float64" });
    const one = await detector(FASTER);
    for (const [teacher, student, kind] of [[classifier, one, "a detector"], [one, classifier,
      "a classifier"]] as const) {
      const { message } = await failureOf("INVALID_ARGUMENT", () => createDistiller({ teacher, student }));
      expect(message).to.equal(
        `invalid teacher: expected ${kind} as the student ${student.name} is, received ${teacher.name}. Both must be classifiers, or both detectors.`,
      );
    }
  });

  it("refuses anything that is no network, and names the argument", async () => {
    const one = await detector(FASTER);
    for (const [parts, message] of [
      [undefined, "invalid parts of a distiller: expected an object, received nothing."],
      [{}, "invalid teacher: expected a Model or a Detector, received nothing."],
      [{ teacher: one, student: 2 }, "invalid student: expected a Model or a Detector, received 2."],
    ] as const) {
      const attempt = () => createDistiller(parts as unknown as Parameters<typeof createDistiller>[0]);
      expect((await failureOf("INVALID_ARGUMENT", attempt)).message).to.include(message);
    }
  });

  it("refuses to train a teacher while it teaches, and to teach with a network that is trained", async () => {
    const teacher = await detector(FASTER);
    using before = await createSession({ model: teacher, threads: 1 });
    await before.step(BATCH);
    using session = await createSession({ distiller: await between({ kind: "review" }, FASTER, teacher), threads: 1 });
    expect((await failureOf("INVALID_ARGUMENT", () => before.step(BATCH))).message).to.include(
      "which has become the teacher of a newer session",
    );
    await session.step(BATCH);
    using after = await createSession({ model: teacher, threads: 1 });
    await after.step(BATCH);
    expect((await failureOf("INVALID_ARGUMENT", () => session.step(BATCH))).message).to.include(
      "which a newer session trains",
    );
  });

  it("lets a student in float32 learn from a teacher in bfloat16", async () => {
    const build = async (): Promise<Distiller<Detector>> => {
      const [teacher, student] = [await detector("faster-rcnn-mobilenetv2-fpn", { dtype: "float32" }),
        await detector(FASTER, { dtype: "float32" })];
      return createDistiller({ teacher, student, method: { kind: "review" } });
    };
    const losses = [];
    for (const teacherPrecision of ["float32", "bfloat16"] as const) {
      using session = await createSession({ distiller: await build(), teacherPrecision, threads: 1 });
      const batch = { images: BATCH.images, targets: BATCH.targets };
      losses.push((await session.step(batch)).losses);
    }
    const [exact, rounded] = losses;
    expect(rounded!.classifier).to.equal(exact!.classifier);
    expect(rounded!.distillation).to.not.equal(exact!.distillation);
    expect(rounded!.distillation / exact!.distillation).to.be.within(0.98, 1.02);
  });
});

function filledWith(tensor: Tensor, value: number): Tensor {
  return Tensor.from(new Float64Array(valuesOf(tensor).length).fill(value), tensor.shape);
}
