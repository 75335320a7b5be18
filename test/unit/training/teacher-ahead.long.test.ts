import { expect } from "chai";
import { createDetector, createDistiller, createModel, createSession, type Dataset, type Detector, type EpochSummary,
  loadDataset, type Model, type StepOptionsInput } from "../../../lib/index.js";
import { failureOf } from "../../support/errors.js";
import { valuesOf } from "../../support/numeric.js";

const SHAPES = { kind: "synthetic", numClasses: 3, trainSamples: 48, testSamples: 4 } as const;
const SCENES = { kind: "scenes", numClasses: 2, trainSamples: 6, testSamples: 2, imageSize: 64 } as const;

type Kind = "classifier" | "detector";

describe("a teacher that runs ahead of its student", () => {
  const data: Partial<Record<Kind, Dataset>> = {};
  before(async () => {
    data.classifier = await loadDataset(SHAPES);
    data.detector = await loadDataset(SCENES);
  });
  after(() => {
    for (const one of Object.values(data)) one.dispose();
  });

  const networkOf = (kind: Kind, seed: number): Promise<Model | Detector> =>
    kind === "classifier" ? createModel(seed === 1 ? "resnet14" : "resnet8", { numClasses: 3, seed })
      : createDetector("retinanet-resnet18-fpn", { data: data.detector, seed });

  /** All of the student after some epochs, and their summaries. */
  async function train(kind: Kind, options: StepOptionsInput, { batchSize = 16, epochs = 1, abortAt = Infinity } = {}) {
    const [teacher, student] = [await networkOf(kind, 1), await networkOf(kind, 2)];
    const distiller = await createDistiller<Model | Detector>({ teacher, student,
      method: { kind: "review", warmupEpochs: 0 } });
    using session = await createSession({ distiller, threads: 1,
      optimizer: { kind: "sgd", learningRate: 0.01, nesterov: false }, ...options });
    const summaries: EpochSummary[] = [];
    for (let epoch = 0; epoch < epochs; ++epoch) {
      const run = (signal?: AbortSignal, onStep?: (step: number) => void) =>
        session.trainEpoch(data[kind]!, { epoch, epochs, batchSize, seed: 5, signal, onProgress: ({ step }) =>
          onStep?.(step) });
      const controller = new AbortController();
      if (Number.isFinite(abortAt)) {
        await failureOf("ABORTED", () =>
          run(controller.signal, (step) => {
            if (step >= abortAt) controller.abort();
          }));
      }
      summaries.push(await run());
    }
    const state = await student.stateDict();
    return { state: Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name, valuesOf(tensor)])),
      losses: summaries.map(({ losses }) => losses), steps: summaries.map(({ step }) => step) };
  }

  const CASES: readonly (readonly [what: string, kind: Kind, options: StepOptionsInput, batchSize: number])[] = [
    ["a classifier", "classifier", {}, 16],
    ["parts of a batch", "classifier", { microBatches: 3 }, 16],
    ["several batches a step", "classifier", { accumulateBatches: 2, microBatches: 2 }, 8],
    ["a last batch that is smaller", "classifier", {}, 20],
    ["a teacher in bfloat16", "classifier", { teacherPrecision: "bfloat16" }, 16],
    ["operations in their plain form", "classifier", { fused: false }, 16],
    ["a detector", "detector", {}, 2],
  ];
  for (const [what, kind, options, batchSize] of CASES) {
    it(`gives the same bits as one that runs in turn: ${what}`, async () => {
      const inTurn = await train(kind, { ...options, teacherThreads: 0 }, { batchSize, epochs: 2 });
      const ahead = await train(kind, { ...options, teacherThreads: 1 }, { batchSize, epochs: 2 });
      expect(ahead).to.deep.equal(inTurn);
      expect(ahead.losses.at(-1)!.distillation).to.be.greaterThan(0);
    });
  }

  it("continues after a stop within an epoch as an undisturbed one does", async () => {
    const undisturbed = await train("classifier", { teacherThreads: 1 }, { batchSize: 8 });
    const stopped = await train("classifier", { teacherThreads: 1 }, { batchSize: 8, abortAt: 2 });
    expect(stopped).to.deep.equal(undisturbed);
  });

  it("ends with an epoch that fails or is stopped, however early, before its images go", async function () {
    this.timeout(120_000);
    const [teacher, student] = [await networkOf("classifier", 1), await networkOf("classifier", 2)];
    using distiller = await createDistiller<Model | Detector>({ teacher, student, method: { kind: "review" } });
    using session = await createSession({ distiller, threads: 1, teacherThreads: 1 });
    for (let attempt = 0; attempt < 150; ++attempt) {
      // Batches of one image are too small for the fusions.
      await failureOf("BATCH_TOO_SMALL", () =>
        session.trainEpoch(data.classifier!, { epoch: 0, epochs: 1, batchSize: 1 }));
    }
    for (let attempt = 0; attempt < 60; ++attempt) {
      const controller = new AbortController();
      setTimeout(() => {
        controller.abort();
      }, attempt % 20);
      await session.trainEpoch(data.classifier!, { epoch: attempt, epochs: 60, batchSize: 2,
        signal: controller.signal })
        .catch((error: unknown) => {
          expect(error).to.have.property("code", "ABORTED");
        });
    }
  });

  it("does not keep an error of the student waiting for images that never come", async () => {
    async function* items() {
      for (let i = 0; i < 8; ++i) yield { image: new Uint8Array(3 * 32 * 32).fill(9 * i), label: i % 3 };
      await new Promise<never>(() => undefined);
    }
    using stream = await loadDataset({ kind: "stream", numClasses: 3, height: 32, width: 32,
      train: { samples: 40, items: () => items() },
      test: { samples: 1, items: () => [{ image: new Uint8Array(3 * 32 * 32), label: 1 }] } });
    const distiller = await createDistiller({ teacher: await createModel("resnet14", { numClasses: 3 }),
      student: await createModel("resnet8", { numClasses: 3 }), method: { kind: "kd", weight: 1e300 } });
    using session = await createSession({ distiller, threads: 1, teacherThreads: 1, clipNorm: 1 });
    await failureOf("NON_FINITE_LOSS", () => session.trainEpoch(stream, { epoch: 0, epochs: 1, batchSize: 8 }));
  });

  it("takes no more threads than any machine has", async () => {
    const [teacher, student] = [await networkOf("classifier", 1), await networkOf("classifier", 2)];
    const distiller = await createDistiller<Model | Detector>({ teacher, student });
    for (const option of [{ teacherThreads: 1e9 }, { teacherThreads: 2 ** 32 }, { threads: 1e6 }]) {
      const { message } = await failureOf("INVALID_ARGUMENT", () => createSession({ distiller, ...option }));
      expect(message).to.match(/[tT]hreads in session options: expected a whole number .*1024/);
    }
  });

  it("reports a batch that cannot be read after the steps before it", async () => {
    const sample = () => ({ image: new Uint8Array(3 * 32 * 32).fill(9), label: 1 });
    function* items() {
      for (let i = 0; i < 16; ++i) yield sample();
      throw new Error("the disk is gone");
    }
    using stream = await loadDataset({ kind: "stream", numClasses: 3, height: 32, width: 32,
      train: { samples: 40, items: () => items() }, test: { samples: 1, items: () => [sample()] } });
    const distiller = await createDistiller({ teacher: await createModel("resnet14", { numClasses: 3 }),
      student: await createModel("resnet8", { numClasses: 3 }) });
    using session = await createSession({ distiller, threads: 1, teacherThreads: 1 });
    let error: unknown;
    await session.trainEpoch(stream, { epoch: 0, epochs: 1, batchSize: 8 }).catch((cause: unknown) => {
      error = cause;
    });
    expect(String(error)).to.include("the disk is gone");
    expect((await session.position()).step).to.equal(2);
  });

  it("runs in turn under a method that needs its box head at the same time", async () => {
    const distill = async (teacherThreads: number) => {
      using teacher = await createDetector("faster-rcnn-resnet18-fpn", { data: data.detector, seed: 1 });
      using student = await createDetector("faster-rcnn-resnet18-fpn", { data: data.detector, seed: 2 });
      using distiller = await createDistiller({ teacher, student, method: { kind: "dkd" } });
      using session = await createSession({ distiller, threads: 1, teacherThreads });
      return (await session.trainEpoch(data.detector!, { epoch: 0, epochs: 1, batchSize: 2, seed: 5 })).losses;
    };
    expect(await distill(1)).to.deep.equal(await distill(0));
  });
});
